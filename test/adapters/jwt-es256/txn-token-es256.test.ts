import { createPublicKey } from "node:crypto";
import { decodeProtectedHeader, importSPKI, jwtVerify } from "jose";
import { expect, test } from "vitest";
import { jwtEs256Format } from "../../../src/adapters/jwt-es256/jwt-es256.ts";
import { txnTokenEs256Format } from "../../../src/adapters/jwt-es256/txn-token-es256.ts";
import { systemRandomness } from "../../../src/adapters/system/system-randomness.ts";
import type { Grant } from "../../../src/domain/grant.ts";
import { addSeconds } from "../../../src/domain/time.ts";
import type { SvidFacts } from "../../../src/ports/svid-format.ts";
import { memorySigner } from "../../memory/memory-signer.ts";
import { NOW, recordedOf, STEP, TRUST_DOMAIN } from "../../samples/credentials.ts";

const ISSUER = "https://stint.example.org";
const LOCATION = "https://mcp.example.org/mcp";
const format = txnTokenEs256Format(ISSUER);
const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness: systemRandomness() });
const authority = await signer.create("txn-token", { notBefore: NOW, expiresAt: addSeconds(NOW, 86_400) });

function element(identifier: string): Grant[number] {
  const locations = [LOCATION, "https://other.example.org/mcp"];
  return { type: "mcp_tool", locations, identifier, actions: ["read"], datatypes: ["internal"] };
}

const facts: SvidFacts = {
  spiffeId: STEP.spiffeId,
  notBefore: addSeconds(NOW, -5),
  expiresAt: addSeconds(NOW, 120),
  authority,
  jti: "AZq7IF0AAAAAAAAAAAAAAA",
  audiences: [LOCATION],
  grant: [element("search")],
  step: STEP,
};

async function mint(changes: Partial<SvidFacts> = {}): Promise<string> {
  const toBeSigned = format.toBeSigned({ ...facts, ...changes });
  const signature = await signer.signSvid(recordedOf("txn-token", authority, toBeSigned));
  return Buffer.from(format.assemble(toBeSigned, signature)).toString("latin1");
}

async function claimsOf(token: string) {
  const key = createPublicKey({ key: Buffer.from(authority.publicKey), format: "der", type: "spki" });
  const pem = key.export({ type: "spki", format: "pem" }).toString();
  const options = { algorithms: ["ES256"], typ: "txntoken+jwt", currentDate: new Date(NOW * 1_000) };
  return (await jwtVerify(token, await importSPKI(pem, "ES256"), options)).payload;
}

test("a library verifies a transaction token; it is for the trust domain alone, and grants at one location", async () => {
  const token = await mint();
  expect(decodeProtectedHeader(token)).toEqual({ alg: "ES256", kid: authority.authorityId, typ: "txntoken+jwt" });
  expect(await claimsOf(token)).toEqual({
    iss: ISSUER,
    aud: "example.org",
    iat: NOW - 5,
    exp: NOW + 120,
    jti: "AZq7IF0AAAAAAAAAAAAAAA",
    txn: STEP.runId,
    sub: "spiffe://example.org/agent/researcher",
    scope: "mcp:tool:search",
    req_wl: STEP.spiffeId,
    tctx: {
      location: LOCATION,
      authorization_details: [{ ...element("search"), locations: [LOCATION] }],
      workflow: STEP.workflow,
      run_id: STEP.runId,
      step: STEP.step,
      attempt: STEP.attempt,
      step_id: STEP.stepId,
    },
  });
});

test("it has a scope also where the grant names no tool", async () => {
  expect(await claimsOf(await mint({ grant: [element("*")] }))).toMatchObject({ scope: "mcp:tool" });
});

test.for<Partial<SvidFacts>>([{ audiences: [] }, { audiences: [LOCATION, ISSUER] }])(
  "there is none for %j: it is for one location",
  (changes) => {
    expect(() => format.toBeSigned({ ...facts, ...changes })).toThrow(TypeError);
  },
);

test("it is no longer than the JWT-SVID by which a step's tokens are measured before the step is opened", () => {
  const confirmation = { "x5t#S256": "0".repeat(43) };
  const jwt = jwtEs256Format(ISSUER).toBeSigned({ ...facts, confirmation });
  expect(format.toBeSigned(facts).length).toBeLessThanOrEqual(jwt.length);
});
