import { describe, expect, test } from "vitest";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { type VerifiedWitSvid, verifyWitSvid } from "../../src/verify/wit-svid.ts";
import { verifyWorkloadProofToken, type WptExpectations } from "../../src/verify/workload-proof-token.ts";
import { codeOf } from "./code-of.ts";
import { hashOf, newHolder, URL_OF_REQUEST, witSvid, workloadProof } from "./proof-forge.ts";
import { bundleSet, ecSigner, forge, type Json, jwtBundle, NOW, rsaSigner, SUBJECT, signature } from "./token-forge.ts";

const own = ecSigner("wit");
const rsa = rsaSigner("rsa");
/** Of JWT-SVIDs: the keys of the two are never each other's. */
const jwt = ecSigner("jwt");
const foreign = ecSigner("wit");
const holder = await newHolder();
const other = await newHolder();
const p384 = await newHolder("P-384");

const bundles = bundleSet(
  { ...jwtBundle("example.org", [jwt]), witKeys: jwtBundle("example.org", [own, rsa]).keys },
  { ...jwtBundle("other.example", []), witKeys: jwtBundle("other.example", [foreign]).keys },
  jwtBundle("none.example", [jwt]),
);

function verify(token: string): VerifiedWitSvid {
  return verifyWitSvid(token, { bundles, now: NOW });
}

describe("a WIT-SVID", () => {
  test("of a step says which step it is, and by which key it is to be proved", () => {
    expect(verify(witSvid(own, holder))).toMatchObject({
      spiffeId: SUBJECT,
      trustDomain: "example.org",
      keyId: "wit",
      expiresAt: NOW + 120,
      confirmationKey: { jkt: holder.jkt, algorithm: "ES256" },
      step: { stepId: "step_0190a5f2", runId: "r1", step: "search", attempt: 1 },
    });
  });

  test("may be signed by any algorithm of SVIDs, and have header parameters that are not known", () => {
    expect(codeOf(() => verify(witSvid(rsa, holder, { algorithm: "PS256" })))).toBe("accepted");
    expect(codeOf(() => verify(witSvid(own, holder, { header: { "x-more": 1 } })))).toBe("accepted");
  });

  const jwk = { ...holder.jwk, alg: "ES256" };
  test.for<{ what: string; is: string; claims?: Json; header?: Json; signer?: typeof own; algorithm?: string }>([
    { what: "an audience", claims: { aud: ["https://mcp.example.org"] }, is: "CLAIMS_INVALID" },
    { what: "no confirmation key", claims: { cnf: undefined }, is: "CLAIMS_INVALID" },
    { what: "a thumbprint in place of a key", claims: { cnf: { jkt: holder.jkt } }, is: "CLAIMS_INVALID" },
    { what: "a thumbprint beside its key", claims: { cnf: { jwk, jkt: holder.jkt } }, is: "CLAIMS_INVALID" },
    { what: "a key without an algorithm", claims: { cnf: { jwk: holder.jwk } }, is: "CLAIMS_INVALID" },
    { what: "a key for another algorithm", claims: { cnf: { jwk: { ...jwk, alg: "ES384" } } }, is: "CLAIMS_INVALID" },
    { what: "a symmetric key", claims: { cnf: { jwk: { kty: "oct", k: "eA", alg: "HS256" } } }, is: "CLAIMS_INVALID" },
    { what: "a private key", claims: { cnf: { jwk: { ...jwk, d: "eA" } } }, is: "CLAIMS_INVALID" },
    { what: "no expiry", claims: { exp: undefined }, is: "CLAIMS_INVALID" },
    { what: "no time left", claims: { iat: NOW - 200, nbf: NOW - 200, exp: NOW - 5 }, is: "EXPIRED" },
    { what: "a begin in the future", claims: { nbf: NOW + 6 }, is: "NOT_YET_VALID" },
    { what: "a subject that is no SPIFFE ID", claims: { sub: "https://example.org" }, is: "SUBJECT_INVALID" },
    { what: "a trust domain for a subject", claims: { sub: "spiffe://example.org" }, is: "SUBJECT_INVALID" },
    { what: "step facts of another step", claims: { run_id: "r2" }, is: "CLAIMS_INVALID" },
    {
      what: "a subject of another trust domain",
      claims: { sub: SUBJECT.replace("example.org", "other.example") },
      is: "SIGNATURE_INVALID",
    },
    {
      what: "a subject of a trust domain without WIT-SVIDs",
      claims: { sub: SUBJECT.replace("example.org", "none.example") },
      is: "KEY_UNKNOWN",
    },
    { what: "a signature by a key of JWT-SVIDs", signer: jwt, is: "KEY_UNKNOWN" },
    { what: "a signature by a key of another trust domain", signer: foreign, is: "SIGNATURE_INVALID" },
    { what: "the type of a JWT-SVID", header: { typ: "JWT" }, is: "TOKEN_MALFORMED" },
    { what: "no type", header: { typ: undefined }, is: "TOKEN_MALFORMED" },
    { what: "no kid", header: { kid: undefined }, is: "TOKEN_MALFORMED" },
    { what: "a critical parameter", header: { crit: ["x"], x: 1 }, is: "TOKEN_MALFORMED" },
    { what: "alg none", header: { alg: "none" }, is: "ALGORITHM_REFUSED" },
    { what: "a symmetric algorithm", algorithm: "HS256", is: "ALGORITHM_REFUSED" },
  ])("with $what is refused: $is", ({ is, signer = own, ...changes }) => {
    expect(codeOf(() => verify(witSvid(signer, holder, changes)))).toBe(is);
  });

  test("of WIT-SVID appendix A is read, and refused only because nobody here knows who signed it", () => {
    const example =
      "eyJhbGciOiJFUzI1NiIsImtpZCI6ImxRU2kzaFpGbmRhMkQtWEprajF6bDdmb0pvdWl3STRuckF5aHk0alppSmciLCJ0eXAiOiJ3aXQrand0In0.eyJj" +
      "bmYiOnsiandrIjp7ImFsZyI6IkVTMjU2IiwiY3J2IjoiUC0yNTYiLCJrdHkiOiJFQyIsIngiOiJyelA3bUxDS0FIV21zTTZYMEV3VklTQ19oSTN1amN1" +
      "OTVmZlVreWVER0dvIiwieSI6InVPcmZEbGp0WDltM2pZLWhzeWhMSllheHRHa3pEdjVlNWttQ2U1OFo5N2cifX0sImV4cCI6MTc2NTQ1NjUwMywiaWF0" +
      "IjoxNzY1NDUyOTAzLCJqdGkiOiIxeWoxOVY0TWNPQXpNY0ZpN3F2c2dfQWdDeGxyWTVFX3g1MDl3bEtLUXRjIiwic3ViIjoic3BpZmZlOi8vZXhhbXBs" +
      "ZS5jb20vbXktd29ya2xvYWQifQ.sfhEvZNdY_kWrICF08lX0u__rn39YnTavnW-VPBS20zgowDh6-X43v5eOUKZbjZf06yLBQM-Mry5w1g1QFsCkg";
    const kid = "lQSi3hZFnda2D-XJkj1zl7foJouiwI4nrAyhy4jZiJg";
    const now = 1_765_452_910 as UnixSeconds;
    expect(() => verifyWitSvid(example, { bundles: bundleSet(), now })).toThrow(/trust domain that is not known/);
    // With some key under its kid everything is read up to the signature, which is by another.
    const named = { ...ecSigner(kid) };
    const known = bundleSet({ ...jwtBundle("example.com", []), witKeys: jwtBundle("example.com", [named]).keys });
    expect(codeOf(() => verifyWitSvid(example, { bundles: known, now }))).toBe("SIGNATURE_INVALID");
  });
});

describe("a Workload Proof Token", () => {
  const wit = witSvid(own, holder);
  const { confirmationKey: key } = verify(wit);
  const expected: WptExpectations = { key, url: URL_OF_REQUEST, wit, now: NOW, secondsMax: 60 };
  const codeFor = (proof: string, changes: Partial<WptExpectations> = {}) =>
    codeOf(() => verifyWorkloadProofToken(proof, { ...expected, ...changes }));

  test("by the key of the WIT-SVID holds for its request", async () => {
    const proof = await workloadProof(holder, wit, { claims: { jti: "one", more: "of its own" } });
    expect(verifyWorkloadProofToken(proof, { ...expected, url: `${URL_OF_REQUEST}?a=b` })).toEqual({ jti: "one" });
  });

  test.for<{ what: string; claims: Json; is: string }>([
    { what: "60 s and the leeway left", claims: { exp: NOW + 65 }, is: "accepted" },
    { what: "more time than a proof may have", claims: { exp: NOW + 66 }, is: "PROOF_INVALID" },
    { what: "no time left but the leeway", claims: { exp: NOW - 4 }, is: "accepted" },
    { what: "no time left", claims: { exp: NOW - 5 }, is: "PROOF_INVALID" },
    { what: "no expiry", claims: { exp: undefined }, is: "PROOF_INVALID" },
    { what: "another URL", claims: { aud: "https://mcp.example.org/other" }, is: "PROOF_INVALID" },
    { what: "the URL in a list", claims: { aud: [URL_OF_REQUEST] }, is: "PROOF_INVALID" },
    { what: "the URL's query", claims: { aud: `${URL_OF_REQUEST}?a=b` }, is: "PROOF_INVALID" },
    { what: "no URL", claims: { aud: undefined }, is: "PROOF_INVALID" },
    { what: "the hash of another WIT-SVID", claims: { wth: hashOf("another") }, is: "PROOF_INVALID" },
    { what: "no hash of the WIT-SVID", claims: { wth: undefined }, is: "PROOF_INVALID" },
    { what: "the hash of an access token, as drafts had it before", claims: { ath: hashOf("x") }, is: "PROOF_INVALID" },
    { what: "the hash of a transaction token that is not there", claims: { tth: hashOf("x") }, is: "PROOF_INVALID" },
    {
      what: "the hash of a token that nobody here knows",
      claims: { oth: { "x-token": hashOf("x") } },
      is: "PROOF_INVALID",
    },
    { what: "other hashes that are no object", claims: { oth: [] }, is: "PROOF_INVALID" },
    { what: "no jti", claims: { jti: undefined }, is: "PROOF_INVALID" },
  ])("with $what: $is", async ({ claims, is }) => {
    expect(codeFor(await workloadProof(holder, wit, { claims }))).toBe(is);
  });

  test("names every token that it comes with", async () => {
    const tokens = { transactionToken: "transaction" };
    const tth = hashOf("transaction");
    expect(codeFor(await workloadProof(holder, wit, { claims: { tth } }), tokens)).toBe("accepted");
    for (const claims of [
      {},
      { tth: hashOf("another") },
      { tth: null },
      { tth: [tth] },
      { oth: { "txn-token": tth } },
    ]) {
      expect(codeFor(await workloadProof(holder, wit, { claims }), tokens)).toBe("PROOF_INVALID");
    }
  });

  test.for([
    { what: "the key of somebody else", by: other, header: {} },
    { what: "another algorithm than that of the WIT-SVID", by: p384, header: { alg: "ES384" } },
    { what: "the type of a DPoP proof", by: holder, header: { typ: "dpop+jwt" } },
    { what: "no type", by: holder, header: { typ: undefined } },
  ])("with $what is refused", async ({ by, header }) => {
    expect(codeFor(await workloadProof(by, wit, { header }))).toBe("PROOF_INVALID");
  });

  test("with another algorithm than that of the WIT-SVID is refused, although its key could have it", async () => {
    const rsaHolder = await newHolder("RSA");
    const token = witSvid(own, rsaHolder, { claims: { cnf: { jwk: { ...rsaHolder.jwk, alg: "RS256" } } } });
    const claims = { aud: URL_OF_REQUEST, exp: NOW + 30, jti: "x", wth: hashOf(token) };
    const proofs = ["RS256", "PS256"].map((alg) => {
      const signed = signature({ kid: "", ...rsaHolder } as never, "RS256");
      return forge(JSON.stringify({ alg, typ: "wpt+jwt" }), JSON.stringify(claims), signed);
    });
    const found = proofs.map((proof) => codeFor(proof, { key: verify(token).confirmationKey, wit: token }));
    expect(found).toEqual(["accepted", "PROOF_INVALID"]);
  });

  test("that came twice in one request is refused", async () => {
    const proof = await workloadProof(holder, wit);
    expect(codeFor(`${proof}, ${proof}`)).toBe("PROOF_INVALID");
  });
});
