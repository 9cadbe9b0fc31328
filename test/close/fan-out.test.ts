import { fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { denialMessageOf } from "../../src/api/grpc/denial-message.ts";
import { denialField } from "../../src/api/grpc/feed-encoding.ts";
import { keepDenialsInForce } from "../../src/close/denials-in-force.ts";
import { keepFanOut } from "../../src/close/fan-out.ts";
import { parseBundleJson, plainJwks, tokenKeysIn } from "../../src/domain/bundle.ts";
import type { TimedFeedMessage } from "../../src/domain/feed-message.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { WatchResponse_DeniedSchema } from "../../src/gen/stint/v1/revocations_pb.js";
import { verifyFeedMessage } from "../../src/verify/feed-message-token.ts";
import { verificationKeysOf } from "../../src/verify/verification-keys.ts";
import { memoryFeedBus } from "../memory/memory-feed-bus.ts";
import { NOW } from "../samples/credentials.ts";
import { eventsLedger, ISSUER } from "../signals/events-ledger.ts";

/** A ledger whose denials are told on a bus. All of it is real but clock and bus. */
async function scene() {
  const { clock, store, world, signer, key, failed, notifier } = await eventsLedger();
  const { ledger, feed } = store;
  const names = { issuer: ISSUER, caNameOf: () => undefined };
  const denyList = keepDenialsInForce<Uint8Array>({
    ...{ ledger, feed, notifier, clock },
    formOf: (entry) => denialField(denialMessageOf(entry, names)),
  });
  const bus = memoryFeedBus();
  const events = parseBundleJson(JSON.stringify(plainJwks([key], "events")), "events");
  const keys = verificationKeysOf(tokenKeysIn(events, "sig", "events"));
  const delayed: string[] = [];
  const rolledBack: string[] = [];
  let isDoubted = false;

  /** As at a start of the broker. */
  function start() {
    const fanOut = keepFanOut({
      ...{ ledger, notifier, denyList, bus, signer, clock, failed, issuer: ISSUER },
      authorities: { active: () => key, all: () => [key] },
      confirmed: async () => undefined,
      ledgerIsDoubted: () => isDoubted,
      rolledBack: (why) => void rolledBack.push(why),
      delayed: (why) => void delayed.push(why),
    });
    onTestFinished(() => fanOut.stop());
    return fanOut;
  }

  async function ended(steps = 1): Promise<readonly string[]> {
    const ids: string[] = [];
    for (let count = 0; count < steps; count += 1) {
      const step = await world.open(await world.agent());
      await world.issue(step, { expiresAt: addSeconds(secondsOf(clock.now()), 100) });
      await world.close(step);
      ids.push(step.stepId);
    }
    await notifier.caughtUp();
    return ids;
  }

  const read = (text: string) => verifyFeedMessage(text, { keys, issuer: ISSUER });
  return {
    ...{ clock, world, ledger, signer, key, bus, delayed, rolledBack, start, ended, read },
    doubt: () => {
      isDoubted = true;
    },
    kept: () => bus.kept.map(({ text }) => read(text)),
    beats: () => bus.beats.map(read),
    /** The next heartbeat, once a second has passed. */
    async nextBeat() {
      const before = bus.beats.length;
      await expect.poll(() => clock.pending()).toBeGreaterThan(0);
      clock.advance(1_000);
      await expect.poll(() => bus.beats.length).toBeGreaterThan(before);
      return read(bus.beats.at(-1) ?? "");
    },
  };
}

function deniedBy(message: TimedFeedMessage): readonly string[] {
  if (message.kind === "heartbeat") return [];
  const { denials } = fromBinary(WatchResponse_DeniedSchema, message.denials);
  return denials.map(({ subject }) => (subject.case === "step" ? subject.value.stepId : ""));
}

/** Somebody who begins with the stream and then listens, by the rules of a verifier; and what it knows to have ended. */
function reading(messages: readonly TimedFeedMessage[]) {
  const denied = new Set<string>();
  let through: number | undefined;
  let parts = 0;
  for (const message of messages) {
    for (const id of deniedBy(message)) denied.add(id);
    if (message.kind === "snapshot") {
      parts = message.part === 1 ? 1 : parts + 1;
      if (parts === message.parts) through = Math.max(through ?? 0, message.through);
    } else if (message.kind === "denied" && through !== undefined && message.from <= through) {
      through = Math.max(through, message.through);
    }
  }
  return { denied, through };
}

test("a stream begins with the whole deny-list and goes on in order; heartbeats say through which sequence", async () => {
  const { start, ended, kept, nextBeat, bus, read } = await scene();
  const before = await ended(2);
  start();
  await expect.poll(() => bus.beats).toHaveLength(1);
  expect(kept()).toMatchObject([{ kind: "snapshot", part: 1, parts: 1 }]);
  expect(deniedBy(kept()[0] as TimedFeedMessage)).toEqual(before);
  const [after] = await ended();
  await expect.poll(() => kept().length).toBe(2);
  const [snapshot, denied] = kept();
  expect(denied).toMatchObject({ kind: "denied", from: snapshot?.through });
  expect(deniedBy(denied as TimedFeedMessage)).toEqual([after]);
  expect(await nextBeat()).toMatchObject({ kind: "heartbeat", through: denied?.through, epoch: denied?.epoch });
  expect(read(bus.beats[0] ?? "").through).toBe(snapshot?.through);
});

test("a heartbeat is as old as the question whether all was told, and no younger", async () => {
  const { start, bus, clock, read } = await scene();
  start();
  await expect.poll(() => bus.beats).toHaveLength(1);
  expect(read(bus.beats[0] ?? "").atMs).toBe(Number(NOW) * 1_000);
  clock.advance(2_500);
  await expect.poll(() => bus.beats).toHaveLength(2);
  // Its second came up after one.
  expect(read(bus.beats[1] ?? "").atMs).toBe(Number(NOW) * 1_000 + 1_000);
});

test("after a start the stream goes on where it ended, and tells what was denied meanwhile", async () => {
  const { start, ended, kept, bus, clock } = await scene();
  const first = start();
  await expect.poll(() => bus.beats).toHaveLength(1);
  await first.stop();
  const meanwhile = await ended(3);
  start();
  await expect.poll(() => bus.beats).toHaveLength(2);
  expect(kept().map(({ kind }) => kind)).toEqual(["snapshot", "denied"]);
  expect(deniedBy(kept()[1] as TimedFeedMessage)).toEqual(meanwhile);
  clock.advance(0);
});

test("while the bus is down no heartbeat goes out, and then all is told", async () => {
  const { start, ended, kept, bus, clock, delayed } = await scene();
  const fanOut = start();
  await expect.poll(() => bus.beats).toHaveLength(1);
  bus.fail("before");
  const missed = await ended(2);
  for (let second = 0; second < 3; second += 1) {
    const before = delayed.length;
    await expect.poll(() => clock.pending()).toBeGreaterThan(0);
    clock.advance(1_000);
    await expect.poll(() => delayed.length).toBeGreaterThan(before);
  }
  expect(bus.beats).toHaveLength(1);
  expect(fanOut.status()).toEqual({ sequence: undefined, heartbeatAgeSeconds: 3, failures: delayed.length });
  expect(fanOut.warning()).toBeUndefined();
  bus.fail();
  await expect.poll(() => clock.pending()).toBeGreaterThan(0);
  clock.advance(8_000);
  await expect.poll(() => bus.beats).toHaveLength(2);
  expect(fanOut.status()).toMatchObject({ sequence: reading(kept()).through, heartbeatAgeSeconds: 0 });
  expect([...reading(kept()).denied]).toEqual(missed);
});

test("a message that was kept without a word is not told twice, and not passed over", async () => {
  const { start, ended, kept, bus, nextBeat } = await scene();
  start();
  await expect.poll(() => bus.beats).toHaveLength(1);
  bus.fail("after");
  const ids = await ended();
  await expect.poll(() => bus.kept.length).toBe(2);
  bus.fail();
  const beat = await nextBeat();
  expect(kept()).toHaveLength(2);
  expect(reading(kept())).toEqual({ denied: new Set(ids), through: beat.through });
});

test.for([
  { what: "was lost", harm: (bus: ReturnType<typeof memoryFeedBus>) => bus.lose() },
  { what: "lost its beginning", harm: (bus: ReturnType<typeof memoryFeedBus>) => void bus.kept.shift() },
  {
    what: "was written to by somebody else",
    harm: async (bus: ReturnType<typeof memoryFeedBus>) =>
      void (await bus.append("denied", "no message", (await bus.places()).last)),
  },
])("a stream that $what is begun anew", async ({ harm }) => {
  const { start, ended, kept, bus, nextBeat } = await scene();
  start();
  await expect.poll(() => bus.beats).toHaveLength(1);
  const ids = await ended();
  await expect.poll(() => bus.kept.length).toBe(2);
  await harm(bus);
  let beat = await nextBeat();
  // It is looked at each fifth time.
  for (let beats = 0; beats < 5; beats += 1) beat = await nextBeat();
  expect(kept()).toMatchObject([{ kind: "snapshot", part: 1, parts: 1 }]);
  expect(reading(kept())).toEqual({ denied: new Set(ids), through: beat.through });
});

test("a stream that is ahead of the ledger shows that the ledger was put back", async () => {
  const { start, bus, rolledBack, delayed, signer, key, ledger } = await scene();
  const { epoch, sequence } = ledger.head();
  const facts = { issuer: ISSUER, atMs: Number(NOW) * 1_000, epoch, through: sequence + 1, denials: new Uint8Array() };
  const text = await signer.signFeedMessage(key.authorityId, { ...facts, kind: "snapshot", part: 1, parts: 1 });
  await bus.append("snapshot", text, 0);
  start();
  await expect.poll(() => delayed).toHaveLength(1);
  expect(rolledBack).toEqual([`the stream on the bus has sequence ${sequence + 1}, the ledger ends at ${sequence}`]);
  expect(bus.beats).toEqual([]);
  expect(bus.kept).toHaveLength(1);
});

test("of a ledger that is doubted no heartbeat says that all was told", async () => {
  const { start, bus, clock, doubt, ended, kept } = await scene();
  start();
  await expect.poll(() => bus.beats).toHaveLength(1);
  doubt();
  const ids = await ended();
  await expect.poll(() => kept().flatMap(deniedBy)).toEqual(ids);
  await expect.poll(() => clock.pending()).toBeGreaterThan(0);
  clock.advance(1_000);
  await expect.poll(() => clock.pending()).toBeGreaterThan(0);
  expect(bus.beats).toHaveLength(1);
});

// Goal: whatever the bus does, who begins with the stream knows of every end once a heartbeat says that all was told.
// Method: fast-check draws ends, failures, losses and restarts of the broker, and after each the stream is read as a verifier reads it.
// A failure prints its seed.
test("whoever has read the stream as far as a heartbeat says knows all that has ended", {
  timeout: 120_000,
}, async () => {
  const act = fc.constantFrom(
    "end",
    "end",
    "end",
    "fail before",
    "fail after",
    "mend",
    "lose",
    "trim",
    "restart",
    "beat",
  );
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 25 }), async (acts) => {
      const { start, ended, bus, clock, kept, beats } = await scene();
      const all = new Set<string>();
      let fanOut = start();
      const pass = async () => {
        clock.advance(1_000);
        for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
      };
      for (const one of acts) {
        if (one === "end") for (const id of await ended()) all.add(id);
        if (one === "fail before") bus.fail("before");
        if (one === "fail after") bus.fail("after");
        if (one === "mend") bus.fail();
        if (one === "lose") bus.lose();
        if (one === "trim") bus.kept.splice(0, 1);
        if (one === "restart") {
          await fanOut.stop();
          fanOut = start();
        }
        await pass();
        const { through } = reading(kept());
        const beat = beats().at(-1);
        // Of all that ended before the heartbeat's second; the virtual clock stands still meanwhile.
        if (beat !== undefined && through === beat.through && beat.atMs === clock.now() / 1_000) {
          expect([...all].filter((id) => !reading(kept()).denied.has(id))).toEqual([]);
        }
      }
      bus.fail();
      for (let beat = 0; beat < 8; beat += 1) await pass();
      expect(reading(kept())).toEqual({ denied: all, through: beats().at(-1)?.through });
      await fanOut.stop();
    }),
    { numRuns: 30 },
  );
});
