import { createPublicKey } from "node:crypto";
import { calculateJwkThumbprint, decodeProtectedHeader, importSPKI, jwtVerify } from "jose";
import { expect, test } from "vitest";
import { witEs256Format } from "../../../src/adapters/jwt-es256/wit-es256.ts";
import { systemRandomness } from "../../../src/adapters/system/system-randomness.ts";
import { addSeconds } from "../../../src/domain/time.ts";
import { memorySigner } from "../../memory/memory-signer.ts";
import { NOW, P256_SPKI, recordedOf, STEP, TRUST_DOMAIN } from "../../samples/credentials.ts";

const format = witEs256Format();
const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness: systemRandomness() });

async function mint(): Promise<{ readonly token: string; readonly authorityId: string; readonly key: Uint8Array }> {
  const authority = await signer.create("wit-svid", { notBefore: NOW, expiresAt: addSeconds(NOW, 86_400) });
  const toBeSigned = format.toBeSigned({
    spiffeId: STEP.spiffeId,
    notBefore: addSeconds(NOW, -5),
    expiresAt: addSeconds(NOW, 300),
    authority,
    jti: "AZq7IF0AAAAAAAAAAAAAAA",
    publicKey: P256_SPKI,
    audiences: [],
    grant: [],
    step: STEP,
  });
  const signature = await signer.signSvid(recordedOf("wit-svid", authority, toBeSigned));
  const token = Buffer.from(format.assemble(toBeSigned, signature)).toString("latin1");
  return { token, authorityId: authority.authorityId, key: authority.publicKey };
}

const pem = (spki: Uint8Array) =>
  createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" }).export({ type: "spki", format: "pem" });

test("WIT-SVID sections 2 and 3: a library verifies it; it has sub, cnf.jwk with alg, and neither aud nor iss", async () => {
  const { token, authorityId, key } = await mint();
  expect(decodeProtectedHeader(token)).toEqual({ alg: "ES256", kid: authorityId, typ: "wit+jwt" });
  const options = { algorithms: ["ES256"], typ: "wit+jwt", currentDate: new Date(NOW * 1_000) };
  const { payload } = await jwtVerify(token, await importSPKI(pem(key).toString(), "ES256"), options);
  expect(payload).toEqual({
    sub: STEP.spiffeId,
    iat: NOW - 5,
    nbf: NOW - 5,
    exp: NOW + 300,
    jti: "AZq7IF0AAAAAAAAAAAAAAA",
    cnf: { jwk: { ...createPublicKey(pem(P256_SPKI)).export({ format: "jwk" }), alg: "ES256" } },
    client_id: "spiffe://example.org/agent/researcher",
    txn: STEP.runId,
    workflow: STEP.workflow,
    run_id: STEP.runId,
    step: STEP.step,
    attempt: STEP.attempt,
    step_id: STEP.stepId,
  });
  const { jwk } = (payload as { readonly cnf: { readonly jwk: Record<string, string> } }).cnf;
  expect(await calculateJwkThumbprint(jwk)).toMatch(/^[\w-]{43}$/);
});
