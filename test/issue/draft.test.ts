import { X509Certificate } from "node:crypto";
import { decodeJwt } from "jose";
import { describe, expect, test } from "vitest";
import { sha256Hex } from "../../src/domain/digest.ts";
import { BrokerError, type Denial, isDenial } from "../../src/domain/errors.ts";
import type { Delivery } from "../../src/domain/stages.ts";
import { microsOf, secondsOf } from "../../src/domain/time.ts";
import { issueSvids } from "../../src/issue/issue-svids.ts";
import { MCP, pathScene } from "../open/path-scene.ts";
import { P256_SPKI } from "../samples/credentials.ts";

const JWT = { kind: "jwt-svid", audiences: [MCP] } as const;
const X509 = { kind: "x509-svid", publicKey: P256_SPKI } as const;
const WIT = { kind: "wit-svid", publicKey: P256_SPKI } as const;

function delivered(answer: Delivery | Denial | undefined): Delivery {
  if (answer === undefined || isDenial(answer)) throw new TypeError(`refused: ${answer?.message}`);
  return answer;
}

test("a credential is valid from a few seconds before it was made, as many as its kind asks for, and as long as its agent allows", async () => {
  const { broker, researcher, runtime, openForAudiences, clock } = await pathScene();
  const { stepId } = await openForAudiences(runtime);
  const [jwt, x509, wit] = await broker.issue(researcher, { stepId, wanted: [JWT, X509, WIT] });
  const now = secondsOf(clock.now());
  expect(decodeJwt(Buffer.from(delivered(jwt).svid).toString("latin1"))).toMatchObject({
    iat: now - 5,
    nbf: now - 5,
    exp: now + 120,
  });
  expect(decodeJwt(Buffer.from(delivered(wit).svid).toString("latin1"))).toMatchObject({ iat: now - 5, nbf: now - 5 });
  const certificate = new X509Certificate(delivered(x509).svid);
  expect(Date.parse(certificate.validFrom) / 1_000).toBe(now - 10);
  // The last second is inclusive in a certificate.
  expect(Date.parse(certificate.validTo) / 1_000).toBe(now + 300 - 1);
});

test("what is recorded of it is what it says, by digests of what the ledger need not hold", async () => {
  const { broker, researcher, runtime, store, openForAudiences, clock } = await pathScene();
  const { stepId } = await openForAudiences(runtime);
  await broker.issue(researcher, { stepId, wanted: [JWT, X509] });
  const [x509, jwt] = await store.history.issuances({ stepId, now: clock.now(), limit: 3 });
  expect(jwt).toMatchObject({ kind: "jwt-svid", audiences: [MCP], issuedAt: clock.now() });
  expect(jwt).not.toHaveProperty("serialNumber");
  expect(jwt).not.toHaveProperty("publicKeySha256");
  expect(x509).toMatchObject({ kind: "x509-svid", audiences: [], grant: [], publicKeySha256: sha256Hex(P256_SPKI) });
  expect(x509).not.toHaveProperty("jti");
});

describe("without an active authority", () => {
  test("a credential of its kind is refused, and the others of the batch are not", async () => {
    const { broker, researcher, runtime, attested, openForAudiences } = await pathScene();
    const { stepId } = await openForAudiences(runtime);
    const { authorities } = broker.ports;
    const ports = {
      ...broker.ports,
      authorities: {
        ...authorities,
        active: (family: Parameters<typeof authorities.active>[0]) =>
          family === "x509-svid" ? undefined : authorities.active(family),
      },
    };
    const answers = await issueSvids(await attested(researcher), { stepId, wanted: [X509, JWT] }, ports);
    expect(answers).toEqual([
      expect.objectContaining({ kind: "denial", code: "AUTHORITY_UNAVAILABLE" }),
      expect.objectContaining({ kind: "jwt-svid" }),
    ]);
  });
});

test("what the signer can't sign is refused, on record as never delivered, and the others of the batch are delivered", async () => {
  const { broker, researcher, runtime, store, openForAudiences, clock, beforeSigning } = await pathScene();
  const { stepId } = await openForAudiences(runtime);
  let signatures = 0;
  beforeSigning(async () => {
    signatures += 1;
    if (signatures === 1) throw new BrokerError("AUTHORITY_UNAVAILABLE", "the token was pulled out");
  });
  const answers = await broker.issue(researcher, { stepId, wanted: [JWT, JWT] });
  expect(answers).toEqual([
    expect.objectContaining({ kind: "denial", code: "AUTHORITY_UNAVAILABLE" }),
    expect.objectContaining({ kind: "jwt-svid" }),
  ]);
  const rows = await store.history.issuances({ stepId, now: clock.now(), limit: 3 });
  expect(rows.map(({ undelivered }) => undelivered)).toEqual([false, true]);
});

test("no credential outlives its step: near the step's end it is shorter, and too near it is none", async () => {
  const { broker, researcher, runtime, openForAudiences, clock, onAct } = await pathScene();
  const { stepId, expiresAt } = await openForAudiences(runtime);
  clock.advance((microsOf(expiresAt) - clock.now()) / 1_000 - 30_000);
  const [jwt] = await broker.issue(researcher, { stepId, wanted: [JWT] });
  expect(decodeJwt(Buffer.from(delivered(jwt).svid).toString("latin1")).exp).toBe(expiresAt);
  clock.advance(28_000);
  // Refused before anything is recorded.
  onAct(({ act }) => expect(act).not.toBe("record-issuances"));
  expect(await broker.issue(researcher, { stepId, wanted: [JWT] })).toEqual([
    expect.objectContaining({ kind: "denial", code: "STEP_EXPIRING" }),
  ]);
});
