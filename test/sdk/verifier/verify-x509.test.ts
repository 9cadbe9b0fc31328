import { expect, onTestFinished, test } from "vitest";
import { createVerifier, VerificationError, type VerifierOptions } from "../../../src/sdk/verifier/index.ts";
import { altNames, authority, leafOf, uri, x509BundleDocument } from "../../verify/certificate-forge.ts";
import { AUDIENCE, NOW, SUBJECT } from "../../verify/token-forge.ts";
import { bundle, denied, deniedCertificate, deniedStep, pong, snapshot } from "./feed-responses.ts";
import { manualClock } from "./manual-clock.ts";
import { scriptedBroker } from "./scripted-broker.ts";

const own = authority();
const LEAF = leafOf(own, { serialNumber: Buffer.from("0a0b", "hex") });
const CHAIN = [LEAF.der];

async function connected(options: Partial<VerifierOptions> = {}) {
  const broker = await scriptedBroker();
  const clock = manualClock(NOW * 1_000);
  const verifier = createVerifier({ endpoint: broker.socket, audiences: [AUDIENCE], clock, ...options });
  onTestFinished(() => verifier.close());
  const watch = await broker.nextWatch();

  /** Sends and waits until it was applied. */
  async function apply(...messages: readonly ReturnType<typeof bundle>[]): Promise<void> {
    watch.send(...messages, denied([], String(Math.random())));
    await watch.next("acknowledge");
  }

  async function confirm(brokerTimeMs = clock.wallMs()): Promise<void> {
    const { nonce } = await watch.next("ping");
    watch.send(pong(nonce, brokerTimeMs, String(Math.random())));
    await watch.next("acknowledge");
  }

  function answer(chain: readonly Uint8Array[] = CHAIN): string {
    try {
      return verifier.verifyX509(chain).spiffeId;
    } catch (thrown) {
      if (thrown instanceof VerificationError) return thrown.code;
      throw thrown;
    }
  }
  return { verifier, clock, watch, apply, confirm, answer };
}

/** A verifier that knows the authority, has an empty deny-list, and was just confirmed. */
async function ready(options: Partial<VerifierOptions> = {}, more: Parameters<typeof bundle>[1] = {}) {
  const scene = await connected(options);
  scene.watch.send(snapshot([], "c1"));
  await scene.watch.next("acknowledge");
  await scene.apply(bundle(x509BundleDocument(own), more));
  await scene.confirm();
  return scene;
}

test("an X.509-SVID is refused until deny-list, bundle and the broker's time are there", async () => {
  const { watch, apply, confirm, answer } = await connected();
  expect(answer()).toBe("NOT_READY");
  watch.send(snapshot([], "c1"));
  await watch.next("acknowledge");
  await apply(bundle(x509BundleDocument(own)));
  expect(answer()).toBe("NOT_READY");
  await confirm();
  expect(answer()).toBe(SUBJECT);
});

test("says which step it is, or that it is infrastructure", async () => {
  const { verifier } = await ready();
  expect(verifier.verifyX509(CHAIN).step).toEqual({
    agent: "spiffe://example.org/agent/researcher",
    runId: "r1",
    step: "search",
    attempt: 1,
  });
  const runtime = leafOf(own, { extensions: { san: altNames([uri("spiffe://example.org/runtime/flow")]) } });
  expect(verifier.verifyX509([runtime.der]).step).toBeUndefined();
});

test.for([
  { by: "the hash of its step's SPIFFE ID", denial: deniedStep("step_else", SUBJECT) },
  { by: "issuer and serial number", denial: deniedCertificate(own.name, "0a0b") },
  { by: "its serial number, the issuer being no more", denial: deniedCertificate(new Uint8Array(), "0a0b") },
])("a denial by $by refuses it, and aborts what was begun with it", async ({ denial }) => {
  const { verifier, apply, answer } = await ready();
  const peer = verifier.verifyX509(CHAIN);
  const { signal } = verifier.signalFor(peer);
  const told: string[] = [];
  verifier.onClosed(peer, ({ code }) => told.push(code));
  await apply(denied([denial]));
  expect(answer()).toBe("REVOKED");
  expect(signal.aborted).toBe(true);
  expect(told).toEqual(["REVOKED"]);
  expect(verifier.signalFor(peer).signal.aborted).toBe(true);
});

test.for([
  { of: "another step", denial: deniedStep("step_0190a5f2", `${SUBJECT}0`) },
  { of: "another serial number", denial: deniedCertificate(own.name, "0a0c") },
  { of: "another issuer's certificate of the same serial number", denial: deniedCertificate(authority().name, "0a0b") },
])("a denial of $of does not concern it", async ({ denial }) => {
  const { verifier, apply, answer } = await ready();
  const { signal } = verifier.signalFor(verifier.verifyX509(CHAIN));
  await apply(denied([denial]));
  expect(answer()).toBe(SUBJECT);
  expect(signal.aborted).toBe(false);
});

test("it is held to the freshness of what is done with it", async () => {
  const { verifier, clock, answer } = await ready();
  clock.advance(15_001);
  expect(answer()).toBe(SUBJECT);
  expect(() => verifier.verifyX509(CHAIN, { actions: ["write"] })).toThrow(expect.objectContaining({ code: "STALE" }));
  clock.advance(45_000);
  expect(answer()).toBe("STALE");
});

test("it is refused while the clock is not the broker's", async () => {
  const { clock, confirm, answer } = await ready();
  clock.advance(1_000);
  await confirm(clock.wallMs() + 5_001);
  expect(answer()).toBe("CLOCK_SKEWED");
});

test("an authority that leaves the bundle verifies nothing any more, and the next one does", async () => {
  const { apply, answer } = await ready();
  const next = authority();
  const chain = [leafOf(next).der];
  expect(answer(chain)).toBe("KEY_UNKNOWN");
  await apply(bundle(x509BundleDocument(own, next)));
  expect([answer(), answer(chain)]).toEqual([SUBJECT, SUBJECT]);
  await apply(bundle(x509BundleDocument(next)));
  expect([answer(), answer(chain)]).toEqual(["KEY_UNKNOWN", SUBJECT]);
  await apply(bundle("no bundle at all"));
  expect(answer(chain)).toBe("KEY_UNKNOWN");
});

test.for([
  { development: true, is: SUBJECT },
  { development: false, is: "KEY_UNKNOWN" },
])("of a development broker, with development $development: $is", async ({ development, is }) => {
  const { answer } = await ready({ development }, { development: true });
  expect(answer()).toBe(is);
});

test("a closed verifier refuses it", async () => {
  const { verifier, answer } = await ready();
  verifier.close();
  expect(answer()).toBe("NOT_READY");
});
