import { rmSync, writeFileSync } from "node:fs";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { BrokerError } from "../../../src/domain/errors.ts";
import { createVerifier, type Verifier } from "../../../src/sdk/verifier/index.ts";
import { AUDIENCE, bundleDocument, ecSigner, NOW } from "../../verify/token-forge.ts";
import { bundle, pong, snapshot } from "./feed-responses.ts";
import { type ManualClock, manualClock } from "./manual-clock.ts";
import { type ScriptedBroker, scriptedBroker } from "./scripted-broker.ts";

const NOW_MS = NOW * 1_000;

function verifierAt({ socket }: ScriptedBroker): { readonly verifier: Verifier; readonly clock: ManualClock } {
  const clock = manualClock(NOW_MS);
  const verifier = createVerifier({ endpoint: `unix://${socket}`, audiences: [AUDIENCE], clock });
  onTestFinished(() => verifier.close());
  return { verifier, clock };
}

/** What the process is warned of from now on. */
function warnings(): string[] {
  const told: string[] = [];
  const spy = vi.spyOn(process, "emitWarning").mockImplementation((warning) => void told.push(String(warning)));
  onTestFinished(() => spy.mockRestore());
  return told;
}

describe("waiting to be ready is over at once", () => {
  test.for([
    { refusal: new BrokerError("AUDIENCE_INVALID", "an audience that the verifier's entry does not name") },
    { refusal: new BrokerError("INVALID_FIELD", "audiences: at most 100", { metadata: { field: "audiences" } }) },
  ])("with a refusal that waiting does not mend: $refusal.code", async ({ refusal }) => {
    const broker = await scriptedBroker();
    const { verifier } = verifierAt(broker);
    const waiting = verifier.ready().catch((thrown: unknown) => thrown);
    (await broker.nextWatch()).fail(refusal);
    expect(await waiting).toMatchObject({ name: "BrokerError", code: refusal.code, message: refusal.message });
    await expect(verifier.ready()).rejects.toMatchObject({ code: refusal.code });
  });

  test("at a path that is no socket", async () => {
    const broker = await scriptedBroker();
    broker.stop();
    writeFileSync(broker.socket, "");
    onTestFinished(() => rmSync(broker.socket));
    const { verifier } = verifierAt(broker);
    await expect(verifier.ready()).rejects.toMatchObject({
      code: "INVALID_FIELD",
      message: "endpoint: a socket; what is at this path is none",
    });
  });
});

describe("waiting to be ready", () => {
  const refusals = [
    { state: "no entry", code: "NO_IDENTITY", says: "a verifier's entry that matches this process" },
    { state: "another's entry", code: "NOT_ENTITLED", says: "a verifier's entry that matches this process" },
    { state: "a broker that does not serve yet", code: "NOT_SERVING", says: "a broker that serves" },
  ] as const;
  test.for(refusals)(
    "with $state warns after a second, goes on, and ends when it is mended",
    async ({ code, says }) => {
      const told = warnings();
      const broker = await scriptedBroker();
      const { verifier, clock } = verifierAt(broker);
      const waiting = verifier.ready();
      (await broker.nextWatch()).fail(new BrokerError(code, "not now"));
      await vi.waitFor(() => expect(verifier.status().lastError).toBe(`${code}: not now`));
      clock.advance(999);
      expect(told).toEqual([]);
      clock.advance(1);
      expect(told).toEqual([`the verifier waits for ${says} (${code}: not now)`]);
      const watch = await broker.nextWatch();
      watch.send(snapshot([], "c1"), bundle(bundleDocument(ecSigner("own"))));
      watch.send(pong((await watch.next("ping")).nonce, clock.wallMs()));
      await waiting;
      clock.advance(60_000);
      expect(told).toHaveLength(1);
    },
  );

  test("without a broker says where it looks, and takes one that comes later", async () => {
    const told = warnings();
    const broker = await scriptedBroker();
    broker.stop();
    const { verifier, clock } = verifierAt(broker);
    const waiting = verifier.ready();
    await vi.waitFor(() => expect(verifier.status().lastError).toBe("UNAVAILABLE"));
    clock.advance(1_000);
    expect(told).toEqual([`the verifier waits for a broker at ${broker.socket}, where there is nothing (UNAVAILABLE)`]);
    await broker.start();
    const ticking = setInterval(() => clock.advance(100), 5);
    const watch = await broker.nextWatch();
    clearInterval(ticking);
    watch.send(snapshot([], "c1"), bundle(bundleDocument(ecSigner("own"))));
    watch.send(pong((await watch.next("ping")).nonce, clock.wallMs()));
    await waiting;
  });

  test("for what a broker that answers has not sent says so", async () => {
    const told = warnings();
    const broker = await scriptedBroker();
    const { verifier, clock } = verifierAt(broker);
    void verifier.ready().catch(() => undefined);
    (await broker.nextWatch()).send(snapshot([]));
    await vi.waitFor(() => expect(verifier.status().connected).toBe(true));
    clock.advance(1_000);
    expect(told).toEqual(["the verifier waits for revocations, keys and the time of the broker, which has answered"]);
  });

  test("speaks of a broker that has come back no more as of one that has not", async () => {
    const told = warnings();
    const broker = await scriptedBroker();
    const { verifier, clock } = verifierAt(broker);
    void verifier.ready().catch(() => undefined);
    (await broker.nextWatch()).fail(new BrokerError("NO_IDENTITY", "not now"));
    await vi.waitFor(() => expect(verifier.status().lastError).toContain("NO_IDENTITY"));
    clock.advance(100);
    (await broker.nextWatch()).send(snapshot([]));
    await vi.waitFor(() => expect(verifier.status().connected).toBe(true));
    clock.advance(900);
    expect(told).toEqual(["the verifier waits for revocations, keys and the time of the broker, which has answered"]);
  });

  test("goes on past a cursor that the broker does not know, which is given up by itself", async () => {
    const broker = await scriptedBroker();
    const { verifier, clock } = verifierAt(broker);
    const waiting = verifier.ready();
    const field = { metadata: { field: "cursor" } };
    (await broker.nextWatch()).fail(new BrokerError("INVALID_FIELD", "cursor: one of this broker's", field));
    await vi.waitFor(() => expect(verifier.status().lastError).toContain("INVALID_FIELD"));
    clock.advance(100);
    const watch = await broker.nextWatch();
    watch.send(snapshot([], "c1"), bundle(bundleDocument(ecSigner("own"))));
    watch.send(pong((await watch.next("ping")).nonce, clock.wallMs()));
    await waiting;
  });

  test("leaves no timer behind", async () => {
    const broker = await scriptedBroker();
    const running = new Set<object>();
    const clock = manualClock(NOW_MS);
    const counting = {
      ...clock,
      schedule(delayMs: number, call: () => void) {
        const timer = { delayMs };
        running.add(timer);
        const cancel = clock.schedule(delayMs, call);
        return () => {
          running.delete(timer);
          cancel();
        };
      },
    };
    const verifier = createVerifier({ endpoint: broker.socket, audiences: [AUDIENCE], clock: counting });
    const controller = new AbortController();
    const waiting = verifier.ready({ timeoutMs: 5_000, signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    verifier.close();
    expect([...running]).toEqual([]);
  });

  test("that is soon over warns of nothing", async () => {
    const told = warnings();
    const broker = await scriptedBroker();
    const { verifier, clock } = verifierAt(broker);
    const waiting = verifier.ready();
    const watch = await broker.nextWatch();
    watch.send(snapshot([], "c1"), bundle(bundleDocument(ecSigner("own"))));
    watch.send(pong((await watch.next("ping")).nonce, clock.wallMs()));
    await waiting;
    clock.advance(5_000);
    expect(told).toEqual([]);
  });

  test("ends with what it waited for once its time is over", async () => {
    warnings();
    const broker = await scriptedBroker();
    const { verifier, clock } = verifierAt(broker);
    const waiting = verifier.ready({ timeoutMs: 5_000 }).catch((thrown: unknown) => thrown);
    (await broker.nextWatch()).fail(new BrokerError("NO_IDENTITY", "no entry matches"));
    await vi.waitFor(() => expect(verifier.status().lastError).toContain("NO_IDENTITY"));
    clock.advance(5_000);
    expect(await waiting).toMatchObject({
      code: "NOT_SERVING",
      message:
        "the verifier is not ready after 5000 ms: it waits for a verifier's entry that matches this process (NO_IDENTITY: no entry matches)",
    });
  });

  test.for([0, -1, Number.NaN])("for a time of %d is refused", async (timeoutMs) => {
    const { verifier } = verifierAt(await scriptedBroker());
    await expect(verifier.ready({ timeoutMs })).rejects.toMatchObject({ code: "INVALID_FIELD" });
  });
});
