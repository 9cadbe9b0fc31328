import { expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { type JwtSvidOptions, verifyJwtSvid } from "../../src/verify/jwt-svid.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import { AUDIENCE, bundleSet, ecSigner, ISSUER, jwtBundle, mint, NOW, rsaSigner, SUBJECT } from "./token-forge.ts";

const own = ecSigner("own");
const p384 = ecSigner("p384", "P-384");
const p521 = ecSigner("p521", "P-521");
const rsa = rsaSigner("rsa");
const options: JwtSvidOptions = {
  audiences: [AUDIENCE],
  bundles: bundleSet(jwtBundle("example.org", [own, p384, p521, rsa], { issuer: ISSUER })),
  now: NOW,
};

function codeOf(token: string, changes: Partial<JwtSvidOptions> = {}): string {
  try {
    verifyJwtSvid(token, { ...options, ...changes });
    return "accepted";
  } catch (thrown) {
    if (thrown instanceof VerificationError) return thrown.code;
    throw thrown;
  }
}

test("a good token yields the step, its grant and the claims", () => {
  const principal = { iss: "https://login.example.org", sub: "u-17" };
  const claims = { workflow: "report", parent_step_id: "step_parent", principal };
  const verified = verifyJwtSvid(mint(own, { claims }), options);
  expect(verified).toMatchObject({
    spiffeId: SUBJECT,
    trustDomain: "example.org",
    audience: AUDIENCE,
    keyId: "own",
    issuer: ISSUER,
    jti: "AYh5t0Zk3Ez8yB8n2mRkQw",
    clientId: "spiffe://example.org/agent/researcher",
    issuedAt: NOW,
    notBefore: NOW - 5,
    expiresAt: NOW + 120,
    scopes: ["mcp:tool:search"],
    grant: [
      { type: "mcp_tool", locations: [AUDIENCE], identifier: "search", actions: ["read"], datatypes: ["internal"] },
    ],
  });
  expect(verified.step).toEqual({
    stepId: "step_0190a5f2",
    runId: "r1",
    step: "search",
    attempt: 1,
    agent: "spiffe://example.org/agent/researcher",
    workflow: "report",
    parentStepId: "step_parent",
    principal,
  });
  expect(verified.claims["txn"]).toBe("r1");
});

test("a token that names no step identifies its workload, and grants nothing", () => {
  const step = { step_id: undefined, run_id: undefined, step: undefined, attempt: undefined };
  const claims = { ...step, sub: "spiffe://example.org/db", scope: undefined, authorization_details: undefined };
  const bare = { ...claims, iat: undefined, nbf: undefined, jti: undefined, client_id: undefined };
  const verified = verifyJwtSvid(mint(own, { claims: bare }), options);
  expect(verified.step).toBeUndefined();
  expect(verified.grant).toEqual([]);
  expect(verified.scopes).toEqual([]);
});

test.for([
  { algorithm: "ES256", signer: own },
  { algorithm: "ES384", signer: p384 },
  { algorithm: "ES512", signer: p521 },
  { algorithm: "RS256", signer: rsa },
  { algorithm: "RS384", signer: rsa },
  { algorithm: "RS512", signer: rsa },
  { algorithm: "PS256", signer: rsa },
  { algorithm: "PS384", signer: rsa },
  { algorithm: "PS512", signer: rsa },
])("$algorithm is accepted of a key that is for it, and a changed signature is not", ({ algorithm, signer }) => {
  const token = mint(signer, { algorithm });
  expect(codeOf(token)).toBe("accepted");
  const dot = token.lastIndexOf(".");
  const changed = Buffer.from(token.slice(dot + 1), "base64url");
  changed[7] = (changed[7] ?? 0) ^ 1;
  expect(codeOf(`${token.slice(0, dot)}.${changed.toString("base64url")}`)).toBe("SIGNATURE_INVALID");
});

test.for([
  { typ: "JWT", is: "accepted" },
  { typ: "JOSE", is: "accepted" },
  { typ: undefined, is: "accepted" },
  { typ: "jwt", is: "TOKEN_MALFORMED" },
  { typ: "at+jwt", is: "TOKEN_MALFORMED" },
  { typ: "wit+jwt", is: "TOKEN_MALFORMED" },
  { typ: "txntoken+jwt", is: "TOKEN_MALFORMED" },
  { typ: "", is: "TOKEN_MALFORMED" },
  { typ: null, is: "TOKEN_MALFORMED" },
  { typ: ["JWT"], is: "TOKEN_MALFORMED" },
])("typ $typ: $is", ({ typ, is }) => {
  expect(codeOf(mint(own, { header: { typ } }))).toBe(is);
});

// Time, with L = 5 s: refused from exp + L on, and before nbf - L or iat - L.
test.for([
  { claims: { exp: NOW + 1 }, at: "a second before exp", is: "accepted" },
  { claims: { exp: NOW }, at: "exp", is: "accepted" },
  { claims: { exp: NOW - 4 }, at: "exp + 4 s", is: "accepted" },
  { claims: { exp: NOW - 5 }, at: "exp + 5 s", is: "EXPIRED" },
  { claims: { exp: NOW - 6 }, at: "exp + 6 s", is: "EXPIRED" },
  { claims: { nbf: NOW + 6 }, at: "nbf - 6 s", is: "NOT_YET_VALID" },
  { claims: { nbf: NOW + 5 }, at: "nbf - 5 s", is: "accepted" },
  { claims: { iat: NOW + 6 }, at: "iat - 6 s", is: "NOT_YET_VALID" },
  { claims: { iat: NOW + 5 }, at: "iat - 5 s", is: "accepted" },
])("at $at: $is", ({ claims, is }) => {
  expect(codeOf(mint(own, { claims: { iat: NOW - 60, nbf: NOW - 60, ...claims } }))).toBe(is);
});

test("a clock that says nothing refuses everything", () => {
  expect(codeOf(mint(own), { now: Number.NaN as UnixSeconds })).toBe("EXPIRED");
});

test.for([
  { aud: AUDIENCE, is: "accepted" },
  { aud: [AUDIENCE], is: "accepted" },
  { aud: [AUDIENCE, "https://other.example.org"], is: "AUDIENCE_MISMATCH" },
  { aud: [AUDIENCE, AUDIENCE], is: "AUDIENCE_MISMATCH" },
  { aud: ["https://other.example.org"], is: "AUDIENCE_MISMATCH" },
  { aud: `${AUDIENCE}/`, is: "AUDIENCE_MISMATCH" },
  { aud: `${AUDIENCE}/more`, is: "AUDIENCE_MISMATCH" },
  { aud: AUDIENCE.slice(0, -1), is: "AUDIENCE_MISMATCH" },
  { aud: AUDIENCE.toUpperCase(), is: "AUDIENCE_MISMATCH" },
  { aud: "*", is: "AUDIENCE_MISMATCH" },
  { aud: [[AUDIENCE]], is: "CLAIMS_INVALID" },
  { aud: { 0: AUDIENCE }, is: "CLAIMS_INVALID" },
  { aud: [AUDIENCE, 1], is: "CLAIMS_INVALID" },
  { aud: [], is: "CLAIMS_INVALID" },
  { aud: "", is: "CLAIMS_INVALID" },
  { aud: null, is: "CLAIMS_INVALID" },
  { aud: undefined, is: "CLAIMS_INVALID" },
])("an audience of $aud: $is", ({ aud, is }) => {
  expect(codeOf(mint(own, { claims: { aud } }))).toBe(is);
});

test("a token for several audiences is accepted only where asked for, and then without a grant", () => {
  const aud = ["https://other.example.org", AUDIENCE];
  const identity = mint(own, { claims: { aud, scope: undefined, authorization_details: undefined } });
  expect(codeOf(identity)).toBe("AUDIENCE_MISMATCH");
  expect(codeOf(identity, { allowSeveralAudiences: true })).toBe("accepted");
  expect(codeOf(mint(own, { claims: { aud } }), { allowSeveralAudiences: true })).toBe("CLAIMS_INVALID");
  const scoped = mint(own, { claims: { aud, authorization_details: undefined } });
  expect(codeOf(scoped, { allowSeveralAudiences: true })).toBe("CLAIMS_INVALID");
});

test("a verifier with several audiences learns which of them the token is for", () => {
  const audiences = ["https://a.example.org", AUDIENCE];
  expect(verifyJwtSvid(mint(own), { ...options, audiences }).audience).toBe(AUDIENCE);
  expect(codeOf(mint(own), { audiences: [] })).toBe("AUDIENCE_MISMATCH");
});

test.for([
  { claim: "exp", value: undefined, is: "CLAIMS_INVALID" },
  { claim: "exp", value: String(NOW + 60), is: "CLAIMS_INVALID" },
  { claim: "exp", value: NOW + 60.5, is: "CLAIMS_INVALID" },
  { claim: "exp", value: -1, is: "CLAIMS_INVALID" },
  { claim: "exp", value: 0, is: "EXPIRED" },
  { claim: "exp", value: 1e300, is: "CLAIMS_INVALID" },
  { claim: "exp", value: 2 ** 53, is: "CLAIMS_INVALID" },
  { claim: "exp", value: NOW * 1_000_000, is: "CLAIMS_INVALID" },
  { claim: "exp", value: null, is: "CLAIMS_INVALID" },
  { claim: "exp", value: [NOW + 60], is: "CLAIMS_INVALID" },
  { claim: "nbf", value: String(NOW), is: "CLAIMS_INVALID" },
  { claim: "nbf", value: NOW + 121, is: "CLAIMS_INVALID" },
  { claim: "iat", value: null, is: "CLAIMS_INVALID" },
  { claim: "iat", value: NOW + 121, is: "CLAIMS_INVALID" },
  { claim: "iss", value: undefined, is: "ISSUER_MISMATCH" },
  { claim: "iss", value: `${ISSUER}/`, is: "ISSUER_MISMATCH" },
  { claim: "iss", value: 7, is: "CLAIMS_INVALID" },
  { claim: "jti", value: 7, is: "CLAIMS_INVALID" },
  { claim: "jti", value: "", is: "CLAIMS_INVALID" },
  { claim: "scope", value: ["mcp:tool:search"], is: "CLAIMS_INVALID" },
  { claim: "scope", value: "a  b", is: "CLAIMS_INVALID" },
  { claim: "scope", value: 'a"b', is: "CLAIMS_INVALID" },
  { claim: "cnf", value: { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }, is: "PROOF_REQUIRED" },
  { claim: "cnf", value: {}, is: "CLAIMS_INVALID" },
  { claim: "cnf", value: null, is: "CLAIMS_INVALID" },
  { claim: "client_id", value: "researcher", is: "CLAIMS_INVALID" },
  { claim: "client_id", value: "spiffe://example.org/agent/other", is: "CLAIMS_INVALID" },
  { claim: "run_id", value: "r2", is: "CLAIMS_INVALID" },
  { claim: "step", value: "delete", is: "CLAIMS_INVALID" },
  { claim: "attempt", value: 2, is: "CLAIMS_INVALID" },
  { claim: "attempt", value: "1", is: "CLAIMS_INVALID" },
  { claim: "step_id", value: 1, is: "CLAIMS_INVALID" },
  { claim: "step_id", value: "", is: "CLAIMS_INVALID" },
  { claim: "workflow", value: {}, is: "CLAIMS_INVALID" },
  { claim: "principal", value: "u-17", is: "CLAIMS_INVALID" },
  { claim: "principal", value: { iss: "https://login.example.org" }, is: "CLAIMS_INVALID" },
  { claim: "authorization_details", value: {}, is: "CLAIMS_INVALID" },
  { claim: "authorization_details", value: [{ type: "payment" }], is: "CLAIMS_INVALID" },
  { claim: "sub", value: undefined, is: "SUBJECT_INVALID" },
  { claim: "sub", value: 7, is: "SUBJECT_INVALID" },
  { claim: "sub", value: "", is: "SUBJECT_INVALID" },
  { claim: "sub", value: "spiffe://example.org", is: "SUBJECT_INVALID" },
  { claim: "sub", value: "spiffe://example.org/", is: "SUBJECT_INVALID" },
  { claim: "sub", value: "spiffe://EXAMPLE.org/a", is: "SUBJECT_INVALID" },
  { claim: "sub", value: "spiffe://example.org/a/../b", is: "SUBJECT_INVALID" },
  { claim: "sub", value: "https://example.org/a", is: "SUBJECT_INVALID" },
  { claim: "sub", value: "spiffe://example.org/\u0430gent", is: "SUBJECT_INVALID" },
])("a signed token whose $claim is $value: $is", ({ claim, value, is }) => {
  expect(codeOf(mint(own, { claims: { [claim]: value } }))).toBe(is);
});

test("a development trust domain is refused outside development", () => {
  const bundles = bundleSet(jwtBundle("example.org", [own], { development: true }));
  expect(codeOf(mint(own), { bundles })).toBe("KEY_UNKNOWN");
  expect(codeOf(mint(own), { bundles, development: true })).toBe("accepted");
});

test("no message repeats the token, or holds a quotation mark", () => {
  const token = mint(own, { claims: { aud: "https://secret.example.org", step: 'x"y' } });
  for (const changes of [{}, { audiences: ["https://secret.example.org"] }, { now: (NOW * 2) as UnixSeconds }]) {
    try {
      verifyJwtSvid(token, { ...options, ...changes });
      expect.unreachable();
    } catch (thrown) {
      const { message } = thrown as VerificationError;
      expect(message).not.toMatch(/["\\\r\n]/);
      expect(message).not.toContain("secret");
      expect(message).not.toContain(token.slice(0, 20));
    }
  }
});

test("nothing above the limit is parsed, and what is just below it is", () => {
  const room = (filler: number) => mint(own, { claims: { filler: "x".repeat(filler) } });
  let filler = 5_000;
  while (room(filler + 3).length <= LIMITS.jwtPresentedBytesMax) filler += 3;
  expect(room(filler).length).toBeGreaterThan(LIMITS.jwtPresentedBytesMax - 8);
  expect(codeOf(room(filler))).toBe("accepted");
  expect(codeOf(room(filler + 3))).toBe("TOKEN_MALFORMED");
});
