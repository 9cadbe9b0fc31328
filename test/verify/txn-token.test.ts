import { describe, expect, test } from "vitest";
import { verifyJwtSvid } from "../../src/verify/jwt-svid.ts";
import { verifyTxnToken } from "../../src/verify/txn-token.ts";
import { verifyWitSvid } from "../../src/verify/wit-svid.ts";
import { codeOf } from "./code-of.ts";
import { txnToken } from "./proof-forge.ts";
import {
  AUDIENCE,
  bundleSet,
  ecSigner,
  ISSUER,
  type Json,
  jwtBundle,
  mint,
  NOW,
  rsaSigner,
  SUBJECT,
  stepClaims,
} from "./token-forge.ts";

const own = ecSigner("txn");
const rsa = rsaSigner("rsa");
const jwt = ecSigner("jwt");
const wit = ecSigner("wit");

const bundles = bundleSet(
  {
    ...jwtBundle("example.org", [jwt], { issuer: ISSUER }),
    witKeys: jwtBundle("example.org", [wit]).keys,
    txnTokenKeys: jwtBundle("example.org", [own, rsa]).keys,
  },
  jwtBundle("other.example", [jwt]),
);

const verify = (token: string, now = NOW) => verifyTxnToken(token, { bundles, audiences: [AUDIENCE], now });

const granted = stepClaims()["authorization_details"] as readonly Json[];
const elsewhere = "https://elsewhere.example.org/mcp";

describe("a transaction token", () => {
  test("says which step may do what at its location", () => {
    expect(verify(txnToken(own))).toMatchObject({
      spiffeId: SUBJECT,
      trustDomain: "example.org",
      audience: AUDIENCE,
      keyId: "txn",
      issuer: ISSUER,
      clientId: "spiffe://example.org/agent/researcher",
      expiresAt: NOW + 120,
      scopes: ["mcp:tool:search"],
      grant: granted,
      step: { stepId: "step_0190a5f2", runId: "r1", step: "search", attempt: 1 },
    });
  });

  test("may be signed by any algorithm of SVIDs, and have an environment that is not looked at", () => {
    expect(codeOf(() => verify(txnToken(rsa, { algorithm: "PS256" })))).toBe("accepted");
    expect(codeOf(() => verify(txnToken(own, { claims: { rctx: { req_ip: "192.0.2.1" } } })))).toBe("accepted");
  });

  test.for<{ what: string; is: string; claims?: Json; tctx?: Json; header?: Json; signer?: typeof own }>([
    { what: "an audience that is this server", claims: { aud: AUDIENCE }, is: "AUDIENCE_MISMATCH" },
    { what: "its audience in a list with others", claims: { aud: ["example.org", "x"] }, is: "AUDIENCE_MISMATCH" },
    { what: "another trust domain for audience", claims: { aud: "other.example" }, is: "AUDIENCE_MISMATCH" },
    { what: "no audience", claims: { aud: undefined }, is: "AUDIENCE_MISMATCH" },
    { what: "another location", tctx: { location: elsewhere }, is: "AUDIENCE_MISMATCH" },
    { what: "no location", tctx: { location: undefined }, is: "CLAIMS_INVALID" },
    { what: "no context", claims: { tctx: undefined }, is: "CLAIMS_INVALID" },
    {
      what: "a grant elsewhere",
      tctx: { authorization_details: [{ ...granted[0], locations: [elsewhere] }] },
      is: "CLAIMS_INVALID",
    },
    {
      what: "a grant that reaches beyond",
      tctx: { authorization_details: [{ ...granted[0], locations: [AUDIENCE, elsewhere] }] },
      is: "CLAIMS_INVALID",
    },
    { what: "no grant", tctx: { authorization_details: undefined }, is: "CLAIMS_INVALID" },
    { what: "an empty grant", tctx: { authorization_details: [] }, is: "CLAIMS_INVALID" },
    { what: "a grant of an unknown type", tctx: { authorization_details: [{ type: "x" }] }, is: "CLAIMS_INVALID" },
    { what: "the facts of another step", tctx: { step: "other" }, is: "CLAIMS_INVALID" },
    { what: "the facts of no step", tctx: { step_id: undefined }, is: "CLAIMS_INVALID" },
    { what: "another agent for subject", claims: { sub: "spiffe://example.org/agent/x" }, is: "CLAIMS_INVALID" },
    { what: "no subject", claims: { sub: undefined }, is: "CLAIMS_INVALID" },
    { what: "another transaction than its run", claims: { txn: "r2" }, is: "CLAIMS_INVALID" },
    { what: "no transaction", claims: { txn: undefined }, is: "CLAIMS_INVALID" },
    { what: "no scope", claims: { scope: undefined }, is: "CLAIMS_INVALID" },
    { what: "no jti", claims: { jti: undefined }, is: "CLAIMS_INVALID" },
    { what: "no iat", claims: { iat: undefined }, is: "CLAIMS_INVALID" },
    { what: "no expiry", claims: { exp: undefined }, is: "CLAIMS_INVALID" },
    { what: "no time left", claims: { exp: NOW - 5 }, is: "EXPIRED" },
    { what: "an instant of issuing that is ahead", claims: { iat: NOW + 6 }, is: "NOT_YET_VALID" },
    { what: "no issuer", claims: { iss: undefined }, is: "CLAIMS_INVALID" },
    { what: "another issuer", claims: { iss: "https://other.example" }, is: "ISSUER_MISMATCH" },
    { what: "no requesting workload", claims: { req_wl: undefined }, is: "SUBJECT_INVALID" },
    { what: "a trust domain for its workload", claims: { req_wl: "spiffe://example.org" }, is: "SUBJECT_INVALID" },
    {
      what: "a workload of a foreign trust domain",
      claims: { req_wl: SUBJECT.replace("example.org", "other.example"), aud: "other.example" },
      is: "KEY_UNKNOWN",
    },
    { what: "a signature by a key of JWT-SVIDs", signer: jwt, is: "KEY_UNKNOWN" },
    { what: "a signature by a key of WIT-SVIDs", signer: wit, is: "KEY_UNKNOWN" },
    { what: "a signature by another key", signer: ecSigner("txn"), is: "SIGNATURE_INVALID" },
    { what: "the type of a JWT-SVID", header: { typ: "JWT" }, is: "TOKEN_MALFORMED" },
    { what: "no type", header: { typ: undefined }, is: "TOKEN_MALFORMED" },
    { what: "no kid", header: { kid: undefined }, is: "TOKEN_MALFORMED" },
    { what: "a critical parameter", header: { crit: ["x"], x: 1 }, is: "TOKEN_MALFORMED" },
    { what: "alg none", header: { alg: "none" }, is: "ALGORITHM_REFUSED" },
  ])("with $what is refused: $is", ({ is, signer = own, ...changes }) => {
    expect(codeOf(() => verify(txnToken(signer, changes)))).toBe(is);
  });

  test("is no JWT-SVID and no WIT-SVID, and neither of them is one", () => {
    const token = txnToken(own);
    const options = { bundles, audiences: [AUDIENCE, "example.org"], now: NOW };
    expect(codeOf(() => verifyJwtSvid(token, options))).toBe("TOKEN_MALFORMED");
    expect(codeOf(() => verifyWitSvid(token, options))).toBe("TOKEN_MALFORMED");
    expect(codeOf(() => verify(mint(jwt)))).toBe("TOKEN_MALFORMED");
    // Not even in the clothes of a JWT-SVID: nobody who verifies JWT-SVIDs has its key.
    const disguised = mint(own);
    expect(codeOf(() => verifyJwtSvid(disguised, options))).toBe("KEY_UNKNOWN");
  });

  test("has at most 8192 characters", () => {
    const long = txnToken(own, { claims: { padding: "x".repeat(8_192) } });
    expect(codeOf(() => verify(long))).toBe("TOKEN_MALFORMED");
    expect(codeOf(() => verify(undefined as never))).toBe("TOKEN_MALFORMED");
  });
});
