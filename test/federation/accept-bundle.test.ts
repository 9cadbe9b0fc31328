import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { parseSpiffeBundle } from "../../src/domain/bundle.ts";
import { canonicalJson } from "../../src/domain/canonical-json.ts";
import { addSeconds } from "../../src/domain/time.ts";
import { type AcceptableBundle, acceptBundle } from "../../src/federation/accept-bundle.ts";
import {
  altNames,
  authority,
  basicConstraints,
  dns,
  ecPair,
  extendedKeyUsage,
  keyUsage,
  leafOf,
  rsaPair,
  SERVER_AUTH,
  USAGE,
  uri,
} from "../verify/certificate-forge.ts";
import { NOW } from "../verify/token-forge.ts";
import { authorityWith, FOREIGN, jwtKey, type Published, published, witKey, x509Key } from "./foreign-bundle.ts";

const accept = (published_: string, known?: AcceptableBundle): AcceptableBundle =>
  acceptBundle(parseSpiffeBundle(published_), { trustDomain: FOREIGN, known });
const keysOf = ({ document }: AcceptableBundle) => parseSpiffeBundle(document);
const refusal = (field: string) => expect.objectContaining({ code: "INVALID_FIELD", metadata: { field } });

describe("what is kept of a foreign bundle", () => {
  test("is its keys, its sequence and its refresh hint, as a SPIFFE bundle", () => {
    const root = authority();
    const keys = [jwtKey("one"), witKey("two"), x509Key(root)];
    const accepted = accept(published({ keys, sequence: 7, hintSeconds: 60 }));
    expect(accepted.sequence).toBe(7);
    expect(JSON.parse(accepted.document)).toEqual({
      keys: [x509Key(root), jwtKey("one"), witKey("two")],
      spiffe_sequence: 7,
      spiffe_refresh_hint: 60,
    });
  });

  test("is nothing of a trust domain that took all its keys back: it is believed no more", () => {
    expect(accept(published({ keys: [], sequence: 8 }))).toEqual({
      document: '{"keys":[],"spiffe_sequence":8}',
      sequence: 8,
    });
  });

  test("has no keys of a kind that nobody here verifies with, and has all the others", () => {
    const jwkOf = ({ publicKey }: { publicKey: ReturnType<typeof ecPair>["publicKey"] }) =>
      publicKey.export({ format: "jwk" });
    const p521 = authority({ pair: ecPair("P-521") });
    const known = [authority(), authority({ pair: ecPair("P-384") }), authority({ pair: rsaPair() })];
    const accepted = accept(
      published({
        keys: [
          ...[p521, ...known].map(x509Key),
          { use: "jwt-svid", kid: "secp256k1", ...jwkOf(ecPair("secp256k1")) },
          { use: "jwt-svid", kid: "short RSA", ...jwkOf(rsaPair(1_024)) },
          { ...jwtKey("off its curve"), y: jwtKey("x").x },
          { ...jwtKey("another algorithm"), alg: "HS256" },
          { use: "jwt-svid", kid: "Ed25519", ...jwkOf(generateKeyPairSync("ed25519")) },
          { ...jwtKey("P-256"), alg: "ES256" },
          { use: "jwt-svid", kid: "RSA", ...jwkOf(rsaPair()) },
        ],
      }),
    );
    const { x509, jwtKeys } = keysOf(accepted);
    const hex = (list: readonly Uint8Array[]) => list.map((der) => Buffer.from(der).toString("hex")).sort();
    expect(hex(x509)).toEqual(hex(known.map(({ der }) => new Uint8Array(der))));
    expect([...jwtKeys.keys()]).toEqual(["P-256", "RSA"]);
  });

  test.for([
    { what: "a leaf", certificate: leafOf(authority(), { extensions: { san: undefined } }) },
    { what: "no authority by its constraints", certificate: authorityWith({ bc: basicConstraints(false) }) },
    {
      what: "constraints that may be passed over",
      certificate: authorityWith({ bc: basicConstraints(true, undefined, false) }),
    },
    { what: "a key that signs no certificates", certificate: authorityWith({ ku: keyUsage(USAGE.digitalSignature) }) },
    { what: "no key usage", certificate: authorityWith({ ku: undefined }) },
    { what: "no key identifier", certificate: authorityWith({ ski: undefined }) },
    { what: "the purpose of servers alone", certificate: authorityWith({ eku: extendedKeyUsage(SERVER_AUTH) }) },
    { what: "bytes that are no certificate", certificate: { ...ecPair(), der: Uint8Array.of(0x30, 0x00) } },
  ])("has no authority that can't sign X.509-SVIDs, and has all other keys: $what", ({ certificate }) => {
    const good = authority();
    const text = published({ keys: [jwtKey("one"), x509Key(certificate), x509Key(good)] });
    const leftOut: string[] = [];
    const accepted = acceptBundle(parseSpiffeBundle(text), {
      trustDomain: FOREIGN,
      leftOut: (why) => void leftOut.push(why),
    });
    expect(keysOf(accepted).x509.map((der) => Buffer.from(der).toString("hex"))).toEqual([
      Buffer.from(good.der).toString("hex"),
    ]);
    expect([...keysOf(accepted).jwtKeys.keys()]).toEqual(["one"]);
    expect(leftOut).toEqual([expect.stringMatching(/^(can't be read|certificates): /)]);
  });

  test("may be of before its time or of after it: keys are published early, and taken out late", () => {
    const keys = [authority({ notBefore: addSeconds(NOW, 60) }), authority({ notAfter: addSeconds(NOW, -60) })];
    expect(keysOf(accept(published({ keys: keys.map(x509Key) }))).x509).toHaveLength(2);
  });

  test.for([
    { what: "no names at all", names: undefined },
    { what: "its trust domain's SPIFFE ID", names: [uri("spiffe://foreign.example")] },
    { what: "names that are no SPIFFE IDs", names: [uri("https://ca.other.example"), dns("other.example")] },
  ])("may have authorities with $what", ({ names }) => {
    const root = authorityWith(names === undefined ? {} : { san: altNames(names, false) });
    expect(keysOf(accept(published({ keys: [x509Key(root)] }))).x509).toHaveLength(1);
  });
});

describe("a foreign bundle is refused whole", () => {
  test.for([
    { what: "another trust domain's SPIFFE ID", names: ["spiffe://other.example"] },
    { what: "the SPIFFE ID of a workload", names: ["spiffe://foreign.example/ca"] },
    {
      what: "its trust domain's SPIFFE ID and another's",
      names: ["spiffe://foreign.example", "spiffe://other.example"],
    },
    { what: "its trust domain's SPIFFE ID twice", names: ["spiffe://foreign.example", "spiffe://foreign.example"] },
    { what: "a SPIFFE ID in capitals", names: ["SPIFFE://other.example"] },
    { what: "a name that begins as its trust domain does", names: ["spiffe://foreign.example.org"] },
  ])("for an authority with $what", ({ names }) => {
    const root = authorityWith({ san: altNames(names.map(uri), false) });
    const text = published({ keys: [x509Key(authority()), x509Key(root)] });
    expect(() => accept(text)).toThrow(
      expect.objectContaining({
        code: "INVALID_FIELD",
        message: "bundle.keys: authorities of foreign.example alone; one is of another trust domain",
      }),
    );
  });

  test("when its keys are too large for the ledger, however they are spelled", () => {
    const many = Array.from({ length: 300 }, (_, index) => jwtKey(`key-${index}`));
    const quotes = [jwtKey('"'.repeat(20_000))];
    for (const keys of [many, quotes]) {
      expect(() => accept(published({ keys }))).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
    }
  });

  test("and what is not refused fits into an event", () => {
    const sizes = [1_000, 10_000, 12_000, 12_300, 17_000, 24_000];
    const accepted = sizes.flatMap((length) => {
      try {
        return [accept(published({ keys: [jwtKey('"'.repeat(length))] }))];
      } catch {
        return [];
      }
    });
    expect(accepted.length).toBeGreaterThan(2);
    expect(accepted.length).toBeLessThan(sizes.length);
    for (const bundle of accepted) expect(canonicalJson({ type: "bundle.accepted", bundle }).length).toBeGreaterThan(0);
  });
});

describe("the sequence of a foreign bundle", () => {
  const [one, two] = [jwtKey("one"), jwtKey("two")];
  const known = accept(published({ keys: [one, two], sequence: 5, hintSeconds: 300 }));

  test.for([
    { what: "goes back", next: { keys: [one, two], sequence: 4 } },
    { what: "goes back to nothing", next: { keys: [one, two], sequence: 0 } },
    { what: "is missing where there was one", next: { keys: [one, two] } },
    { what: "is the same for one key more", next: { keys: [one, two, jwtKey("three")], sequence: 5 } },
    { what: "is the same for one key less", next: { keys: [one], sequence: 5 } },
    { what: "is the same for no keys", next: { keys: [], sequence: 5 } },
    { what: "is the same for another use", next: { keys: [one, witKey("two")], sequence: 5 } },
  ])("is refused when it $what", ({ next }: { next: Published }) => {
    expect(() => accept(published(next), known)).toThrow(refusal("spiffe_sequence"));
  });

  test("may be the same for the same keys in another order, and for another refresh hint: that is the known bundle", () => {
    const again = accept(published({ keys: [two, one], sequence: 5, hintSeconds: 60 }), known);
    expect(again).toBe(known);
  });

  test("goes up with new keys and with the same, by any amount", () => {
    for (const [sequence, keys] of [
      [6, [one]],
      [Number.MAX_SAFE_INTEGER, [one, two]],
    ] as const) {
      expect(accept(published({ keys, sequence }), known)).toMatchObject({ sequence });
    }
  });

  test("may be missing always, and begin at any time: what came last is newest then", () => {
    const uncounted = accept(published({ keys: [one] }));
    expect(uncounted).not.toHaveProperty("sequence");
    expect(keysOf(accept(published({ keys: [two] }), uncounted)).jwtKeys.has("two")).toBe(true);
    expect(accept(published({ keys: [two], sequence: 1 }), uncounted)).toMatchObject({ sequence: 1 });
  });
});
