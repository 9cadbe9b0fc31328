import { setImmediate } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { sha256Hex } from "../../../src/domain/digest.ts";
import { BrokerError } from "../../../src/domain/errors.ts";
import { selector } from "../../../src/domain/selector.ts";
import { addSeconds, secondsOf } from "../../../src/domain/time.ts";
import type { EvidenceAttestor } from "../../../src/ports/evidence-attestor.ts";
import { certificateRequestOf, generateKey } from "../../../src/sdk/runtime/certificate-request.ts";
import { type AttestationScene, attestationScene } from "./attestation-scene.ts";

const SELECTORS = new Set([selector("unix:user", "flow")]);
const RUNTIME = { kind: "runtime", name: "flow", selectors: [...SELECTORS], agents: ["researcher"] } as const;
const POP = { evidence: { case: "x509pop", value: Uint8Array.of(1) } } as const;
const TOKEN = { evidence: { case: "oidcToken", value: "e30.e30.e30" } } as const;
const NOT_ACCEPTED = { reason: "NO_IDENTITY", message: "the evidence is not accepted" };
const CHALLENGE = Uint8Array.of(1, 2, 3);

/** Asks for the challenge in reverse. */
const pop: EvidenceAttestor = {
  async attest(_evidence, challenger) {
    const answer = await challenger.challenge(CHALLENGE);
    if (!Buffer.from(answer).equals(Buffer.from(CHALLENGE).reverse())) {
      throw new BrokerError("NO_IDENTITY", "the answer is wrong");
    }
    return { selectors: SELECTORS };
  },
};
const answer = (challenge: Uint8Array) => challenge.toReversed();

/** A claim that was sent, and has been challenged. */
async function challenged(scene: AttestationScene) {
  const call = scene.call();
  const csr = certificateRequestOf(await generateKey());
  call.send({ message: { case: "claim", value: { ...POP, csr } } });
  const { value } = await call.responses.next();
  expect(value?.message).toMatchObject({ case: "challenge", value: Buffer.from(CHALLENGE) });
  return { call, csr };
}

test("whoever answers the challenge is issued the SVID, and whoever answers wrongly is not", async () => {
  const scene = await attestationScene({ evidenceAttestors: { x509pop: pop } });
  await scene.entry(RUNTIME);
  expect((await scene.attest(POP, answer)).spiffeId).toBe("spiffe://example.org/runtime/flow");
  await expect(scene.attest(POP, (challenge) => challenge)).rejects.toMatchObject(NOT_ACCEPTED);
  expect(await scene.denied()).toEqual(["attest NO_IDENTITY"]);
});

test("what comes in place of the answer is refused, a second claim among it", async () => {
  const scene = await attestationScene({ evidenceAttestors: { x509pop: pop } });
  await scene.entry(RUNTIME);
  const { call, csr } = await challenged(scene);
  call.send({ message: { case: "claim", value: { ...POP, csr } } });
  await expect(call.responses.next()).rejects.toMatchObject({
    reason: "INVALID_FIELD",
    metadata: { field: "message" },
  });
});

test("an attestation without an answer ends after ten seconds, and not before", async () => {
  const scene = await attestationScene({ evidenceAttestors: { x509pop: pop } });
  await scene.entry(RUNTIME);
  const slow = await challenged(scene);
  const late = await challenged(scene);
  scene.clock.advance(9_999);
  slow.call.send({ message: { case: "answer", value: answer(CHALLENGE) } });
  expect((await slow.call.responses.next()).value?.message.case).toBe("svid");
  scene.clock.advance(1);
  await expect(late.call.responses.next()).rejects.toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
    reason: "LIMIT_EXCEEDED",
    message: "an attestation takes at most 10 s",
  });
  expect(scene.clock.pending()).toBe(scene.pendingAtRest);
});

test("nothing is spent nor issued for a client that has gone, or that was told that it took too long", async () => {
  const asked = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const judge = Promise.withResolvers<void>();
  let count = 0;
  const oidc: EvidenceAttestor = {
    async attest() {
      const now = secondsOf(scene.clock.now());
      asked[count]?.resolve();
      count += 1;
      await judge.promise;
      return { selectors: SELECTORS, spends: { sha256: sha256Hex(`${count}`), expiresAt: addSeconds(now, 60) } };
    },
  };
  const scene = await attestationScene({ evidenceAttestors: { oidc } });
  await scene.entry(RUNTIME);
  const before = await scene.eventTypes();

  const csr = certificateRequestOf(await generateKey());
  const gone = scene.call();
  gone.send({ message: { case: "claim", value: { ...TOKEN, csr } } });
  await asked[0]?.promise;
  const logged = scene.nextLine();
  gone.cancel();
  expect(await logged).toMatchObject({ outcome: "INVALID_FIELD" });

  const late = expect(scene.attest(TOKEN)).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
  await asked[1]?.promise;
  scene.clock.advance(10_000);
  await late;
  judge.resolve();
  // All that they could still do is done, and written before this.
  await setImmediate();
  await scene.joinToken();
  expect(await scene.eventTypes()).toEqual(["join_token.created", ...before]);
  expect(scene.failures).toEqual([]);
});

test("evidence that counts once is spent by its use, and refused the second time", async () => {
  const oidc: EvidenceAttestor = {
    attest: async () => ({
      selectors: SELECTORS,
      spends: { sha256: sha256Hex("the token"), expiresAt: addSeconds(secondsOf(scene.clock.now()), 60) },
    }),
  };
  const scene = await attestationScene({ evidenceAttestors: { oidc } });
  await expect(scene.attest(TOKEN), "while no entry matches it is not spent").rejects.toMatchObject(NOT_ACCEPTED);
  await scene.entry(RUNTIME);
  await scene.attest(TOKEN);
  expect((await scene.eventTypes()).slice(0, 2)).toEqual(["issuance.recorded", "evidence.spent"]);
  await expect(scene.attest(TOKEN)).rejects.toMatchObject(NOT_ACCEPTED);
});

test("proved evidence that matches several entries has to name one, and is told so", async () => {
  const scene = await attestationScene({ evidenceAttestors: { x509pop: pop } });
  await scene.entry(RUNTIME);
  await scene.entry({ ...RUNTIME, name: "other" });
  await expect(scene.attest(POP, answer)).rejects.toMatchObject({
    reason: "INVALID_FIELD",
    metadata: { field: "entry" },
  });
  const { spiffeId } = await scene.attest({ ...POP, entry: "runtime/other" }, answer);
  expect(spiffeId).toBe("spiffe://example.org/runtime/other");
});

test("an entry is issued so many a second, which strangers with evidence that is none do not use up", async () => {
  const oidc: EvidenceAttestor = { attest: async () => ({ selectors: SELECTORS }) };
  const scene = await attestationScene({ evidenceAttestors: { oidc } });
  await scene.entry({ ...RUNTIME, selectors: ["join_token:name:flow"] });
  await scene.entry({ ...RUNTIME, name: "other" });
  const forged = { evidence: { case: "joinToken", value: `stint-join-flow-${"A".repeat(43)}` } } as const;
  for (let count = 0; count < 101; count += 1) {
    await expect(scene.attest(forged)).rejects.toMatchObject(NOT_ACCEPTED);
  }
  const token = await scene.joinToken("flow");
  await scene.attest({ evidence: { case: "joinToken", value: token } });

  for (let count = 0; count < 100; count += 1) await scene.attest(TOKEN);
  await expect(scene.attest(TOKEN)).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
  scene.clock.advance(1_000);
  await scene.attest(TOKEN);
});

test("what an attestor throws that is no refusal is told to nobody", async () => {
  const oidc: EvidenceAttestor = { attest: () => Promise.reject(new Error("http://10.0.0.1/keys")) };
  const scene = await attestationScene({ evidenceAttestors: { oidc } });
  await expect(scene.attest(TOKEN)).rejects.toMatchObject({ code: status.INTERNAL, message: "internal error" });
});
