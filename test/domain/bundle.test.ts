import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Authority, KeyFamily } from "../../src/domain/authority.ts";
import { formatSpiffeBundle, parseSpiffeBundle, plainJwks, spiffeBundle } from "../../src/domain/bundle.ts";
import { addSeconds } from "../../src/domain/time.ts";
import { NOW, P256_SPKI } from "../samples/credentials.ts";
import { authority as forgedAuthority } from "../verify/certificate-forge.ts";

const certificate = Uint8Array.of(0x30, 0x03, 0x02, 0x01, 0x05);

function authority(family: KeyFamily, authorityId: string, state: Authority["state"] = "active"): Authority {
  return {
    authorityId,
    family,
    state,
    publicKey: P256_SPKI,
    notBefore: NOW,
    expiresAt: addSeconds(NOW, 60),
    ...(family === "x509-svid" ? { certificate } : {}),
  };
}

/** Of the key of all others here, and so told apart by its serial number alone. */
const rootCertificate = () => forgedAuthority({ publicKey: P256_SPKI }).der;

const authorities = [
  authority("x509-svid", "ca"),
  authority("jwt-svid", "one"),
  authority("jwt-svid", "two", "old"),
  authority("wit-svid", "wit"),
  authority("txn-token", "txn"),
  authority("events", "events"),
  authority("ledger", "ledger"),
];

const key = {
  kty: "EC",
  crv: "P-256",
  x: "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y",
  y: "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk",
};

describe("what is published", () => {
  test("as a SPIFFE bundle is pinned: certificates without kid, token keys with it, no other family", () => {
    expect(spiffeBundle(authorities, 42, 300)).toEqual({
      keys: [
        { use: "x509-svid", ...key, x5c: ["MAMCAQU="] },
        { use: "jwt-svid", kid: "one", ...key },
        { use: "jwt-svid", kid: "two", ...key },
        { use: "wit-svid", kid: "wit", ...key },
      ],
      spiffe_sequence: 42,
      spiffe_refresh_hint: 300,
    });
  });

  test("as a plain JWKS is pinned: token keys alone, for signatures with ES256", () => {
    expect(plainJwks(authorities)).toEqual({
      keys: [
        { use: "sig", alg: "ES256", kid: "one", ...key },
        { use: "sig", alg: "ES256", kid: "two", ...key },
      ],
    });
  });

  test("is still a bundle when every key is gone: one that trusts nobody", () => {
    expect(spiffeBundle([], 43, 300).keys).toEqual([]);
  });
});

describe("a SPIFFE bundle as a verifier reads it", () => {
  const read = (document: unknown): ReturnType<typeof parseSpiffeBundle> => parseSpiffeBundle(JSON.stringify(document));
  const jwt = { use: "jwt-svid", kid: "one", ...key };
  const x509 = { use: "x509-svid", ...key, x5c: ["MAMCAQU="] };

  test("gives back what was published, without `use`", () => {
    const bundle = read(spiffeBundle(authorities, 42, 300));
    expect(bundle.sequence).toBe(42);
    expect(bundle.refreshHintSeconds).toBe(300);
    expect([...bundle.jwtKeys]).toEqual([
      ["one", { kid: "one", ...key }],
      ["two", { kid: "two", ...key }],
    ]);
    expect([...bundle.witKeys]).toEqual([["wit", { kid: "wit", ...key }]]);
    expect(bundle.x509).toEqual([certificate]);
  });

  test("may lack sequence and hint, and may have no keys at all", () => {
    expect(read({ keys: [] })).toEqual({
      sequence: undefined,
      refreshHintSeconds: undefined,
      jwtKeys: new Map(),
      witKeys: new Map(),
      x509: [],
    });
  });

  test("may count from 0, and hint at none at all", () => {
    expect(read({ keys: [], spiffe_sequence: 0, spiffe_refresh_hint: 0 })).toMatchObject({
      sequence: 0,
      refreshHintSeconds: 0,
    });
  });

  test("takes an RSA key, and of any key only its public members and the algorithm that it is for", () => {
    const rsa = { use: "jwt-svid", kid: "r", kty: "RSA", n: "AQAB", e: "AQAB", alg: "RS256", key_ops: ["verify"] };
    expect(read({ keys: [rsa] }).jwtKeys.get("r")).toEqual({
      kid: "r",
      alg: "RS256",
      kty: "RSA",
      n: "AQAB",
      e: "AQAB",
    });
  });

  test.for([
    { what: "an unknown use", element: { ...jwt, use: "tomorrow-svid" } },
    { what: "no use", element: key },
    { what: "the use of a plain JWKS", element: { ...jwt, use: "sig" } },
    { what: "a WIT-SVID's", element: { ...jwt, use: "wit-svid", kid: "wit" } },
    { what: "an unknown kty", element: { use: "jwt-svid", kid: "o", kty: "OKP", crv: "Ed25519", x: "AAAA" } },
    { what: "a symmetric key", element: { use: "jwt-svid", kid: "o", kty: "oct", k: "AAAA" } },
    { what: "a certificate without x5c", element: { use: "x509-svid", ...key } },
  ])("passes over an element with $what", ({ element }) => {
    const bundle = read({ keys: [element, jwt] });
    expect([...bundle.jwtKeys.keys()]).toEqual(["one"]);
    expect(bundle.x509).toEqual([]);
  });

  test("looks at the first certificate of an element only", () => {
    expect(read({ keys: [{ ...x509, x5c: ["MAMCAQU=", 7] }] }).x509).toEqual([certificate]);
  });

  test.for([
    { what: "a list", document: [], field: "bundle" },
    { what: "null", document: null, field: "bundle" },
    { what: "a document without keys", document: {}, field: "bundle.keys" },
    { what: "keys that are no list", document: { keys: {} }, field: "bundle.keys" },
    { what: "an element that is no object", document: { keys: ["x"] }, field: "bundle.keys[0]" },
    { what: "a key without kid", document: { keys: [{ ...jwt, kid: undefined }] }, field: "bundle.keys[0].kid" },
    { what: "a kid that is empty", document: { keys: [{ ...jwt, kid: "" }] }, field: "bundle.keys[0].kid" },
    { what: "a kid twice", document: { keys: [jwt, jwt] }, field: "bundle.keys[1].kid" },
    {
      what: "a kid of both families",
      document: { keys: [jwt, { ...jwt, use: "wit-svid" }] },
      field: "bundle.keys[1].kid",
    },
    { what: "a coordinate in base64", document: { keys: [{ ...jwt, x: "AA==" }] }, field: "bundle.keys[0].x" },
    { what: "a key without curve", document: { keys: [{ ...jwt, crv: undefined }] }, field: "bundle.keys[0].crv" },
    { what: "a private key", document: { keys: [{ ...jwt, d: "AAAA" }] }, field: "bundle.keys[0]" },
    { what: "x5c that is no list", document: { keys: [{ ...x509, x5c: "MAMCAQU=" }] }, field: "bundle.keys[0].x5c" },
    { what: "x5c that is empty", document: { keys: [{ ...x509, x5c: [] }] }, field: "bundle.keys[0].x5c" },
    { what: "x5c of nothing", document: { keys: [{ ...x509, x5c: [""] }] }, field: "bundle.keys[0].x5c" },
    { what: "x5c in base64url", document: { keys: [{ ...x509, x5c: ["MAMCAQU"] }] }, field: "bundle.keys[0].x5c" },
    { what: "a negative sequence", document: { keys: [], spiffe_sequence: -1 }, field: "bundle.spiffe_sequence" },
    { what: "a sequence in text", document: { keys: [], spiffe_sequence: "1" }, field: "bundle.spiffe_sequence" },
    { what: "half a second", document: { keys: [], spiffe_refresh_hint: 0.5 }, field: "bundle.spiffe_refresh_hint" },
  ])("refuses $what, naming $field", ({ document, field }) => {
    expect(() => read(document)).toThrow(expect.objectContaining({ code: "INVALID_FIELD", metadata: { field } }));
  });

  test.for([
    { what: "what is not JSON", text: "{secret" },
    { what: "a member twice", text: '{"keys":[],"spiffe_sequence":1,"spiffe_sequence":2}' },
    { what: "a member twice in a key", text: '{"keys":[{"kty":"EC","use":"jwt-svid","use":"x509-svid"}]}' },
    { what: "a member that would be a prototype", text: '{"keys":[{"__proto__":{"use":"jwt-svid"},"kty":"EC"}]}' },
    { what: "a byte order mark", text: '\ufeff{"keys":[]}' },
  ])("refuses $what, without repeating it", ({ text }) => {
    expect(() => parseSpiffeBundle(text)).toThrow(
      expect.objectContaining({ message: "bundle: a JSON object, no member twice" }),
    );
  });
});

describe("a SPIFFE bundle that was read", () => {
  const RSA = { kty: "RSA", n: "AQAB", e: "AQAB" };
  const rootOf = (der: Uint8Array) => ({ use: "x509-svid", kty: "EC", x5c: [Buffer.from(der).toString("base64")] });
  const [firstRoot, secondRoot] = [rootCertificate(), rootCertificate()];
  const keys = [
    { use: "jwt-svid", kid: "b", ...key },
    rootOf(firstRoot),
    { use: "wit-svid", kid: "c", ...key },
    { use: "tomorrow-svid", kid: "d", ...key },
    { use: "jwt-svid", kid: "a", alg: "RS256", key_ops: ["verify"], ...RSA },
    rootOf(secondRoot),
    rootOf(firstRoot),
  ];
  const format = (document: object) => formatSpiffeBundle(parseSpiffeBundle(JSON.stringify(document)));

  test("is written with what was understood of it alone: members that are known, roots once, hint and sequence", () => {
    const x5c = [firstRoot, secondRoot].map((der) => Buffer.from(der).toString("base64")).sort();
    expect(JSON.parse(format({ keys, spiffe_sequence: 7, spiffe_refresh_hint: 60, of: "somebody" }))).toEqual({
      keys: [
        { use: "x509-svid", kty: "EC", crv: "P-256", x: key.x, y: key.y, x5c: [x5c[0]] },
        { use: "x509-svid", kty: "EC", crv: "P-256", x: key.x, y: key.y, x5c: [x5c[1]] },
        { use: "jwt-svid", kid: "a", alg: "RS256", ...RSA },
        { use: "jwt-svid", kid: "b", ...key },
        { use: "wit-svid", kid: "c", ...key },
      ],
      spiffe_sequence: 7,
      spiffe_refresh_hint: 60,
    });
    expect(format({ keys: [] })).toBe('{"keys":[]}');
  });

  test("reads back as it was, and is the same text in whatever order its keys came", () => {
    const text = format({ keys, spiffe_sequence: 7 });
    expect(formatSpiffeBundle(parseSpiffeBundle(text))).toBe(text);
    expect(parseSpiffeBundle(text).x509).toHaveLength(2);
    fc.assert(
      fc.property(fc.shuffledSubarray(keys, { minLength: keys.length }), (shuffled) => {
        expect(format({ spiffe_sequence: 7, keys: shuffled })).toBe(text);
      }),
      { numRuns: 50 },
    );
  });
});
