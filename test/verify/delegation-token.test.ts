import { describe, expect, test } from "vitest";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { verifyDelegationToken } from "../../src/verify/delegation-token.ts";
import { verifyJwtSvid } from "../../src/verify/jwt-svid.ts";
import { AUDIENCE, bundleSet, ecSigner, ISSUER, type Json, jwtBundle, mint, NOW } from "./token-forge.ts";

const own = ecSigner("own");
const foreign = ecSigner("foreign");
const bundles = bundleSet(jwtBundle("example.org", [own], { issuer: ISSUER }), jwtBundle("other.example", [foreign]));
const BROKER = "spiffe://example.org/stint/server";
const RECEIVER = "spiffe://example.org/runtime/receiver";
const DELEGATION = { aud: [BROKER], scope: undefined, may_act: { sub: RECEIVER }, max_uses: 1 };

const trustDomain = bundles.keys().next().value ?? expect.fail("no bundle");
const verify = (claims: Json, now: number = NOW) =>
  verifyDelegationToken(mint(own, { claims: { ...DELEGATION, ...claims } }), {
    bundles,
    trustDomain,
    now: now as UnixSeconds,
  });

test("the broker learns from a token whose it is, for whom, and what it passes on at all locations at once", () => {
  const element = { type: "mcp_tool", identifier: "search", actions: ["read"], datatypes: ["internal"] };
  const cap = [{ ...element, locations: [AUDIENCE, "https://files.example.org"] }];
  expect(verify({ authorization_details: cap })).toEqual({
    jti: "AYh5t0Zk3Ez8yB8n2mRkQw",
    stepId: "step_0190a5f2",
    mayAct: RECEIVER,
    cap,
  });
  expect(verify({ authorization_details: undefined }).cap).toEqual([]);
});

test.for<{ readonly what: string; readonly claims: Json; readonly code: string }>([
  { what: "nobody that may act", claims: { may_act: undefined }, code: "CLAIMS_INVALID" },
  { what: "a text in place of who may act", claims: { may_act: RECEIVER }, code: "CLAIMS_INVALID" },
  { what: "somebody without a SPIFFE ID", claims: { may_act: { sub: "receiver" } }, code: "CLAIMS_INVALID" },
  { what: "a scope", claims: { scope: "mcp:tool:search" }, code: "CLAIMS_INVALID" },
  { what: "an MCP server's audience", claims: { aud: [AUDIENCE] }, code: "AUDIENCE_MISMATCH" },
  { what: "a second audience", claims: { aud: [BROKER, AUDIENCE] }, code: "AUDIENCE_MISMATCH" },
  {
    what: "another broker's audience",
    claims: { aud: ["spiffe://other.example/stint/server"] },
    code: "AUDIENCE_MISMATCH",
  },
  { what: "no step", claims: { step_id: undefined }, code: "CLAIMS_INVALID" },
  { what: "no jti", claims: { jti: undefined }, code: "CLAIMS_INVALID" },
  { what: "a key to be proved", claims: { cnf: { jkt: "A".repeat(43) } }, code: "PROOF_REQUIRED" },
])("a token with $what is no delegation token", ({ claims, code }) => {
  expect(() => verify(claims)).toThrow(expect.objectContaining({ code }));
});

test("nor is one that has another type, has expired, or is signed by a foreign trust domain", () => {
  const options = { bundles, trustDomain, now: NOW };
  const typed = mint(own, { claims: DELEGATION, header: { typ: "at+jwt" } });
  expect(() => verifyDelegationToken(typed, options)).toThrow(expect.objectContaining({ code: "TOKEN_MALFORMED" }));
  expect(() => verify({}, NOW + 125)).toThrow(expect.objectContaining({ code: "EXPIRED" }));
  const agent = "spiffe://other.example/agent/researcher";
  const names = { sub: `${agent}/run/r1/step/search/1`, client_id: agent, iss: "https://other.example" };
  const signedElsewhere = mint(foreign, { claims: { ...DELEGATION, ...names } });
  expect(() => verifyDelegationToken(signedElsewhere, options)).toThrow(
    expect.objectContaining({ code: "SUBJECT_INVALID" }),
  );
});

describe("no verifier accepts a delegation token", () => {
  const verifyAs = (audience: string, claims: Json) =>
    verifyJwtSvid(mint(own, { claims }), { bundles, audiences: [audience], allowSeveralAudiences: true, now: NOW });

  test("not one that answers for the broker by mistake", () => {
    expect(() => verifyAs(BROKER, DELEGATION)).toThrow(expect.objectContaining({ code: "CLAIMS_INVALID" }));
    expect(() => verifyAs(BROKER, { ...DELEGATION, may_act: undefined })).toThrow(
      expect.objectContaining({ code: "AUDIENCE_MISMATCH" }),
    );
  });

  test("nor one to whom the token was addressed", () => {
    expect(() => verifyAs(AUDIENCE, { may_act: { sub: RECEIVER } })).toThrow(
      expect.objectContaining({ code: "CLAIMS_INVALID" }),
    );
  });
});
