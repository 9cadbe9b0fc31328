import { describe, expect, test } from "vitest";
import { parseBundleJson, tokenKeysIn } from "../../src/domain/bundle.ts";
import { statusOf, verifyStatusListToken } from "../../src/verify/status-list-token.ts";
import { verificationKeysOf } from "../../src/verify/verification-keys.ts";
import { codeOf } from "./code-of.ts";
import { bitsOf, inList, LIST, LIST_URI, type ListChanges, statusList } from "./status-list-forge.ts";
import { ecSigner, ISSUER, NOW, rsaSigner, type Signer, stepClaims } from "./token-forge.ts";

const events = ecSigner("events");
const others = ecSigner("events");
const rsa = rsaSigner("rsa");

function keysOf(...signers: readonly Signer[]) {
  const keys = signers.map(({ kid, publicKey }) => ({ use: "sig", kid, ...publicKey.export({ format: "jwk" }) }));
  return verificationKeysOf(tokenKeysIn(parseBundleJson(JSON.stringify({ keys }), "events"), "sig", "events"));
}

const OPTIONS = { keys: keysOf(events, rsa), issuer: ISSUER, list: LIST, now: NOW };

test("a list of the issuer says when it was made, how long it holds, and its bits", () => {
  expect(verifyStatusListToken(statusList(events, { bytes: bitsOf([3]) }), OPTIONS)).toMatchObject({
    ...{ issuedAt: NOW, expiresAt: NOW + 60, ttlSeconds: 5, bits: 1 },
  });
  const { ttlSeconds } = verifyStatusListToken(statusList(events, { claims: { ttl: undefined } }), OPTIONS);
  expect(ttlSeconds).toBe(5);
});

const refused: readonly (ListChanges & { what: string; code: string; by?: Signer })[] = [
  { what: "signed by another's key of the same name", by: others, code: "SIGNATURE_INVALID" },
  { what: "signed by a key that is not known", by: ecSigner("unknown"), code: "KEY_UNKNOWN" },
  { what: "of another algorithm", by: rsa, algorithm: "RS256", code: "ALGORITHM_REFUSED" },
  {
    what: "whose key is not of its algorithm",
    by: rsa,
    header: { alg: "ES256" },
    algorithm: "RS256",
    code: "SIGNATURE_INVALID",
  },
  { what: "without an algorithm", header: { alg: "none" }, code: "ALGORITHM_REFUSED" },
  { what: "that is a token of another kind", header: { typ: "JWT" }, code: "TOKEN_MALFORMED" },
  { what: "of the older media type", header: { typ: "application/statuslist+jwt" }, code: "TOKEN_MALFORMED" },
  { what: "with a critical parameter", header: { crit: ["exp"] }, code: "TOKEN_MALFORMED" },
  { what: "without a key's name", header: { kid: undefined }, code: "TOKEN_MALFORMED" },
  { what: "of another issuer", claims: { iss: "https://stint.example.com" }, code: "ISSUER_MISMATCH" },
  { what: "of another URI", claims: { sub: `${ISSUER}/status/b1yQxW0mVd4l` }, code: "SUBJECT_INVALID" },
  { what: "that has expired", claims: { iat: NOW - 60, exp: NOW }, code: "EXPIRED" },
  { what: "without an end", claims: { exp: undefined }, code: "CLAIMS_INVALID" },
  { what: "without a beginning", claims: { iat: undefined }, code: "CLAIMS_INVALID" },
  { what: "whose end is a text", claims: { exp: `${NOW + 60}` }, code: "CLAIMS_INVALID" },
  { what: "that lives for no time", claims: { ttl: 0 }, code: "CLAIMS_INVALID" },
  { what: "without bits", claims: { status_list: undefined }, code: "CLAIMS_INVALID" },
  { what: "of three bits", bits: 3, code: "CLAIMS_INVALID" },
  { what: "of bits in a text", bits: "1", code: "CLAIMS_INVALID" },
  { what: "whose bits are padded", lst: "eNrbuRgAAhcBXQ==", code: "CLAIMS_INVALID" },
  { what: "whose bits are a list", lst: [1], code: "CLAIMS_INVALID" },
];

test.for(refused)("a list $what is refused as $code", ({ by = events, code, what: _, ...changes }) => {
  expect(codeOf(() => verifyStatusListToken(statusList(by, changes), OPTIONS))).toBe(code);
});

test("a list that was made in the future is not refused here: it tells of the clock", () => {
  const ahead = statusList(events, { claims: { iat: NOW + 300, exp: NOW + 360 } });
  expect(verifyStatusListToken(ahead, OPTIONS).issuedAt).toBe(NOW + 300);
});

describe("where a token's status is", () => {
  test("is read from a list of its issuer", () => {
    expect(statusOf(stepClaims(inList(86_113)), ISSUER)).toEqual({ list: LIST, index: 86_113 });
  });

  test.for([
    { what: "no status", claims: {} },
    { what: "a status of another kind", claims: { status: { status_attestation: {} } } },
    { what: "a list of another issuer", claims: inList(1, "https://attacker.example.com/status/b1yQxW0mVd4k") },
    { what: "a list whose issuer begins as ours", claims: inList(1, `${ISSUER}.example.com/status/b1yQxW0mVd4k`) },
    { what: "another document of the issuer", claims: inList(1, `${ISSUER}/jwks.json`) },
    { what: "a way out of the lists", claims: inList(1, `${ISSUER}/status/../jwks`) },
    { what: "a query", claims: inList(1, `${LIST_URI}?x`) },
    { what: "no name", claims: inList(1, `${ISSUER}/status/`) },
    { what: "a negative index", claims: inList(-1) },
    { what: "half an index", claims: inList(0.5) },
    { what: "an index beyond all numbers", claims: inList(2 ** 53) },
  ])("is refused with $what", ({ claims }) => {
    expect(codeOf(() => statusOf(stepClaims(claims), ISSUER))).toBe("CLAIMS_INVALID");
  });
});
