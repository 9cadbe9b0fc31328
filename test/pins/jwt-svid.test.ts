import { expect, test } from "vitest";
import { jwtEs256Format } from "../../src/adapters/jwt-es256/jwt-es256.ts";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { parseSpiffeId } from "../../src/domain/spiffe-id.ts";
import { addSeconds } from "../../src/domain/time.ts";
import { memorySigner } from "../memory/memory-signer.ts";
import { NOW, STEP, TRUST_DOMAIN } from "../samples/credentials.ts";

// The names that verifiers, gateways and cloud IAM conditions match.

test("a JWT-SVID's header and claims, all of them there", async () => {
  const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness: systemRandomness() });
  const authority = await signer.create("jwt-svid", { notBefore: NOW, expiresAt: addSeconds(NOW, 3_600) });
  const signed = jwtEs256Format("https://broker.example.org").toBeSigned({
    spiffeId: STEP.spiffeId,
    notBefore: addSeconds(NOW, -5),
    expiresAt: addSeconds(NOW, 120),
    authority,
    jti: "AZqrIF0AAAAAAAAAAAAAAA",
    audiences: ["https://mcp.example.org/files"],
    grant: STEP.grant,
    step: { ...STEP, parentStepId: "step_of_the_parent" },
    principal: { iss: "https://idp.example", sub: "ada", salt: "AAAAAAAAAAAAAAAAAAAAAA" },
  });
  const [header = "", claims = ""] = Buffer.from(signed).toString().split(".");
  expect(parse(header)).toEqual({ alg: "ES256", kid: authority.authorityId, typ: "JWT" });
  expect(parse(claims)).toEqual({
    iss: "https://broker.example.org",
    sub: "spiffe://example.org/agent/researcher/run/invoice-2026-11/step/search/2",
    aud: ["https://mcp.example.org/files"],
    iat: NOW - 5,
    nbf: NOW - 5,
    exp: NOW + 120,
    jti: "AZqrIF0AAAAAAAAAAAAAAA",
    client_id: "spiffe://example.org/agent/researcher",
    txn: "invoice-2026-11",
    scope: "mcp:tool:search",
    authorization_details: [
      {
        type: "mcp_tool",
        locations: ["https://mcp.example.org/files"],
        identifier: "search",
        actions: ["read"],
        datatypes: ["internal"],
      },
      {
        type: "mcp_tool",
        locations: ["https://mcp.example.org/files"],
        identifier: "*",
        actions: ["read", "write"],
        datatypes: ["internal", "public"],
      },
    ],
    workflow: "invoice",
    run_id: "invoice-2026-11",
    step: "search",
    attempt: 2,
    step_id: STEP.stepId,
    parent_step_id: "step_of_the_parent",
    principal: { iss: "https://idp.example", sub: "ada", salt: "AAAAAAAAAAAAAAAAAAAAAA" },
  });
});

test("a delegation token's header and claims, which any verifier can tell by may_act", async () => {
  const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness: systemRandomness() });
  const authority = await signer.create("jwt-svid", { notBefore: NOW, expiresAt: addSeconds(NOW, 3_600) });
  const mayAct = parseSpiffeId("spiffe://example.org/runtime/flow");
  const signed = jwtEs256Format("https://broker.example.org").toBeSigned({
    spiffeId: STEP.spiffeId,
    notBefore: addSeconds(NOW, -5),
    expiresAt: addSeconds(NOW, 120),
    authority,
    jti: "AZqrIF0AAAAAAAAAAAAAAA",
    audiences: ["spiffe://example.org/stint/server"],
    grant: STEP.grant,
    step: STEP,
    delegation: { runtimeEntryId: "entry_flow", mayAct, usesMax: 4 },
  });
  const [header = "", claims = ""] = Buffer.from(signed).toString().split(".");
  expect(parse(header)).toEqual({ alg: "ES256", kid: authority.authorityId, typ: "JWT" });
  expect(parse(claims)).toEqual({
    iss: "https://broker.example.org",
    sub: "spiffe://example.org/agent/researcher/run/invoice-2026-11/step/search/2",
    aud: ["spiffe://example.org/stint/server"],
    iat: NOW - 5,
    nbf: NOW - 5,
    exp: NOW + 120,
    jti: "AZqrIF0AAAAAAAAAAAAAAA",
    client_id: "spiffe://example.org/agent/researcher",
    txn: "invoice-2026-11",
    authorization_details: STEP.grant,
    may_act: { sub: "spiffe://example.org/runtime/flow" },
    max_uses: 4,
    workflow: "invoice",
    run_id: "invoice-2026-11",
    step: "search",
    attempt: 2,
    step_id: STEP.stepId,
  });
});

function parse(part: string): unknown {
  return JSON.parse(Buffer.from(part, "base64url").toString());
}
