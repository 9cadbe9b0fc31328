import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { connect as connectSocket } from "node:net";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { expect, onTestFinished, test, vi } from "vitest";
import { LIMITS } from "../../../src/domain/limits.ts";
import { Revocations, WatchRequestSchema, WatchResponseSchema } from "../../../src/gen/stint/v1/revocations_pb.js";
import { createClient } from "../../../src/wire/client.ts";
import { OPERATOR } from "../../contract/ledger-world.ts";
import { watchFeed } from "../../e2e/feed-watch.ts";
import { PLACES, type ServedFeed, serveFeed } from "./served-feed.ts";

async function serve(manifold?: number): Promise<ServedFeed> {
  const served = await serveFeed(manifold);
  onTestFinished(() => served.close());
  return served;
}

function watch({ channel }: ServedFeed, hello: Parameters<typeof watchFeed>[1] = {}) {
  const watching = watchFeed(channel, hello);
  onTestFinished(() => watching.cancel());
  return watching;
}

/** A watcher that speaks and does not read: what it is sent stays in the broker once the connection's window is full. */
function deafWatcher({ socket }: ServedFeed): {
  /** Resolves once the broker has taken it from the connection. */
  send(...messages: MessageInitShape<typeof WatchRequestSchema>[]): Promise<void>;
  read(): Promise<Trailers>;
  /** Reads until its snapshot is whole. @returns whether it has this many denials */
  readUntil(denials: number): Promise<boolean>;
} {
  const session: ClientHttp2Session = connect("http://localhost", {
    createConnection: () => connectSocket(socket),
  });
  onTestFinished(() => session.destroy());
  const stream: ClientHttp2Stream = session.request({
    ":method": "POST",
    ":path": "/stint.v1.Revocations/Watch",
    "content-type": "application/grpc+proto",
    te: "trailers",
    "workload.spiffe.io": "true",
  });
  return {
    send(...messages) {
      const frames = messages.map((message) => {
        const bytes = toBinary(WatchRequestSchema, create(WatchRequestSchema, message));
        const prefix = Buffer.alloc(5);
        prefix.writeUInt32BE(bytes.length, 1);
        return Buffer.concat([prefix, bytes]);
      });
      return new Promise((resolve) => void stream.write(Buffer.concat(frames), () => resolve()));
    },
    async readUntil(denials) {
      let bytes: Buffer = Buffer.alloc(0);
      let count = 0;
      for await (const chunk of stream) {
        bytes = Buffer.concat([bytes, chunk as Buffer]);
        while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) {
          const end = 5 + bytes.readUInt32BE(1);
          const { message } = fromBinary(WatchResponseSchema, bytes.subarray(5, end));
          bytes = bytes.subarray(end);
          if (message.case !== "snapshot") continue;
          count += message.value.denials.length;
          if (message.value.last) return count === denials;
        }
      }
      return false;
    },
    read() {
      const { promise, resolve, reject } = Promise.withResolvers<Trailers>();
      let bytes = 0;
      stream.on("trailers", (headers) => resolve({ status: String(headers["grpc-status"]), bytes }));
      stream.on("error", reject);
      stream.on("data", (data: Buffer) => {
        bytes += data.length;
      });
      return promise;
    },
  };
}

type Trailers = { readonly status: string; readonly bytes: number };

const HELLO = { message: { case: "hello", value: {} } } as const;
const PING = { message: { case: "ping", value: { nonce: Buffer.alloc(32, 1) } } } as const;
const RESOURCE_EXHAUSTED = "8";

const connectedTo = ({ receipts }: ServedFeed) => receipts.watchers().filter((one) => one.isConnected).length;
const headOf = ({ world }: ServedFeed) => world.ledger.head().sequence;

test("a long deny-list comes in parts, of which only the last carries the cursor", async () => {
  const served = await serve(1_250);
  for (const step of await served.openSteps(2)) await served.world.close(step);
  const watching = watch(served);
  await watching.first("snapshot", ({ last }) => last);
  expect(
    watching.all("snapshot").map(({ denials, last, cursor }) => [denials.length, last, cursor.length > 0]),
  ).toEqual([
    [1_000, false, false],
    [1_000, false, false],
    [500, true, true],
  ]);
  const resumed = watch(served, { cursor: watching.all("snapshot")[2]?.cursor ?? new Uint8Array() });
  await resumed.ping();
  expect(resumed.denials()).toEqual([]);
});

test("a watcher is behind by what was denied, however much else there is in the ledger", async () => {
  const served = await serve(LIMITS.resumedDenialsMax / 2);
  const { ledger, clock } = served.world;
  const [first, second, third] = await served.openSteps(3);
  if (first === undefined || second === undefined || third === undefined) throw new TypeError("no steps");
  const act = { act: "record-operation", operation: "o", target: "t", reason: "r", by: OPERATOR } as const;
  const acts = Array.from({ length: LIMITS.resumedDenialsMax + 1 }, () => ({ ...act, now: clock.now() }));
  await Promise.all(acts.map((one) => ledger.perform(one)));
  const far = served.cursorAt(headOf(served));
  const { sequence } = await served.world.close(first);
  const near = served.cursorAt(sequence);
  await Promise.all(acts.map((one) => ledger.perform(one)));
  for (const step of [second, third]) await served.world.close(step);
  const resumed = watch(served, { cursor: near });
  expect((await resumed.ping()).sequence).toBe(BigInt(headOf(served)));
  expect(resumed.all("snapshot")).toEqual([]);
  expect(resumed.denials()).toHaveLength(LIMITS.resumedDenialsMax);
  const parts = resumed.all("denied").map((part) => part.cursor.length > 0);
  expect(parts).toEqual([...parts.slice(1).map(() => false), true]);
  const anew = watch(served, { cursor: far });
  await anew.ping();
  expect(anew.all("snapshot").flatMap(({ denials }) => denials)).toHaveLength(1.5 * LIMITS.resumedDenialsMax);
});

test("a close larger than a backlog reaches who resumes from before it, whole", async () => {
  const served = await serve(30_000);
  const [step] = await served.openSteps(1);
  if (step === undefined) throw new TypeError("no step");
  const cursor = served.cursorAt(headOf(served));
  const { sequence } = await served.world.close(step);
  const watching = watch(served, { cursor });
  const pong = await watching.ping();
  expect(pong.sequence).toBe(BigInt(sequence));
  const parts = watching.all("snapshot");
  expect(parts.flatMap(({ denials }) => denials)).toHaveLength(30_000);
  expect(parts.map((part) => part.last)).toEqual([...parts.slice(1).map(() => false), true]);
});

test("a ping is not answered before everything that was durable when it came has been read and sent", async () => {
  const served = await serve();
  const watching = watch(served);
  await watching.first("snapshot");
  const [step] = await served.openSteps(1);
  if (step === undefined) throw new TypeError("no step");
  await watching.ping();
  const release = served.holdReads();
  const { sequence } = await served.world.close(step);
  const pong = watching.ping();
  // Another call of the same connection is answered meanwhile: what is sent was sent, and the pong is not.
  await watch(served).first("snapshot");
  expect(watching.all("pong")).toHaveLength(1);
  release();
  expect((await pong).sequence).toBe(BigInt(sequence));
  expect(watching.received.map(({ message }) => message.case).slice(-2)).toEqual(["denied", "pong"]);
});

test("a watcher that can't be told the bundle is told so, leaves nothing behind, and may come again", async () => {
  const served = await serve();
  const release = served.withholdBundle();
  expect(await watch(served).failure()).toMatchObject({ reason: "NOT_SERVING" });
  expect([served.subscribed(), connectedTo(served)]).toEqual([0, 0]);
  release();
  await watch(served).first("snapshot");
  expect(served.subscribed()).toBe(1);
});

test.for([
  { cursor: "ahead of what was sent", ahead: 1, epoch: undefined },
  { cursor: "of another epoch", ahead: 0, epoch: "epoch_other" },
])("an acknowledgement of a cursor $cursor is refused and counts for nothing", async ({ ahead, epoch }) => {
  const served = await serve();
  const watching = watch(served);
  await watching.first("snapshot");
  watching.acknowledge(served.cursorAt(headOf(served) + ahead, epoch));
  expect(await watching.failure()).toMatchObject({ reason: "INVALID_FIELD", metadata: { field: "cursor" } });
  expect(served.receipts.watchers().map((one) => one.acknowledged)).toEqual([0]);
});

test("an authentic cursor ahead of the ledger, or of a later epoch, is told as a rollback; one of an earlier epoch is not", async () => {
  const served = await serve();
  const ahead = headOf(served) + 1;
  const failure = await watch(served, { cursor: served.cursorAt(ahead) }).failure();
  expect(failure).toMatchObject({ reason: "NOT_SERVING" });
  expect(served.faults).toEqual([expect.stringContaining(`${ahead}`)]);
  await watch(served, { cursor: served.cursorAt(ahead, "epoch_") }).first("snapshot");
  expect(served.faults).toHaveLength(1);
  const later = await watch(served, { cursor: served.cursorAt(1, "epoch_later") }).failure();
  expect(later).toMatchObject({ reason: "NOT_SERVING" });
  expect(served.faults).toEqual([served.faults[0], expect.stringContaining("a later epoch, epoch_later")]);
});

test("a watcher that does not read is cut off at its backlog, and slows neither the closes nor the others", async () => {
  const denialsPerClose = 100;
  const served = await serve(denialsPerClose);
  const deaf = deafWatcher(served);
  void deaf.send(HELLO);
  const watching = watch(served);
  await watching.first("snapshot");
  await vi.waitFor(() => expect(connectedTo(served)).toBe(2));
  const steps = await served.openSteps(200);
  let cutAfter = Number.POSITIVE_INFINITY;
  for (const [index, step] of steps.entries()) {
    await served.world.close(step);
    const { sequence } = await watching.ping();
    expect(sequence).toBe(BigInt(headOf(served)));
    if (connectedTo(served) === 1) cutAfter = Math.min(cutAfter, (index + 1) * denialsPerClose);
  }
  // Before the backlog counts, the streams themselves hold a little.
  expect(cutAfter).toBeGreaterThan(LIMITS.watcherBacklogEventsMax);
  expect(cutAfter).toBeLessThan(steps.length * denialsPerClose);
  expect(watching.denials()).toHaveLength(steps.length * denialsPerClose);
  // Whenever it reads again it is told why, behind what was on its way.
  const { status, bytes } = await deaf.read();
  expect(status).toBe(RESOURCE_EXHAUSTED);
  expect(bytes).toBeGreaterThan(0);
  expect(served.faults).toEqual([]);
});

test("watchers that do not read hold the places in which others begin for half a second, no longer", async () => {
  // More than a connection takes in whose client does not read.
  const served = await serve(5_000);
  const [step] = await served.openSteps(1);
  if (step === undefined) throw new TypeError("no step");
  await served.world.close(step);
  const deaf = Array.from({ length: PLACES }, () => deafWatcher(served));
  for (const one of deaf) void one.send(HELLO);
  await vi.waitFor(() => expect(connectedTo(served)).toBe(PLACES));
  // Far more than a connection takes in for a stream that is not read.
  const hasty = deafWatcher(served);
  let isTaken = false;
  const taken = hasty.send(HELLO, ...Array.from({ length: 8_000 }, () => PING)).then(() => {
    isTaken = true;
  });
  const reading = watch(served);
  const told = reading.first("snapshot", ({ last }) => last);
  // Other calls of the same connection are answered meanwhile.
  const { revoke } = createClient(Revocations, served.channel);
  for (let calls = 30; calls > 0; calls -= 1) await expect(revoke({})).rejects.toThrow();
  expect([connectedTo(served), reading.received, isTaken]).toEqual([PLACES, [], false]);
  served.world.clock.advance(500);
  await Promise.all([told, taken]);
  expect(reading.denials()).toHaveLength(5_000);
  // Those that did not read lack nothing when they do.
  for (const one of deaf) expect(await one.readUntil(5_000)).toBe(true);
});

test("a hundred verifiers at once are all told, and one that went away while it waited leaves nothing behind", async () => {
  const served = await serve(2_500);
  const [step] = await served.openSteps(1);
  if (step === undefined) throw new TypeError("no step");
  await served.world.close(step);
  const all = Array.from({ length: 100 }, () => watch(served));
  all[99]?.cancel();
  await Promise.all(all.slice(0, 99).map((one) => one.first("snapshot", ({ last }) => last)));
  await vi.waitFor(() => expect([served.subscribed(), connectedTo(served)]).toEqual([99, 99]));
  for (const one of all.slice(0, 99)) expect(one.denials()).toHaveLength(2_500);
  expect(served.faults).toEqual([]);
});

test("a watcher that asks without end and does not read is cut off too", async () => {
  const served = await serve();
  const deaf = deafWatcher(served);
  void deaf.send(HELLO);
  await vi.waitFor(() => expect(connectedTo(served)).toBe(1));
  await vi.waitFor(
    () => {
      if (connectedTo(served) === 1) void deaf.send(...Array.from({ length: 1_000 }, () => PING));
      expect(connectedTo(served)).toBe(0);
    },
    { timeout: 20_000 },
  );
  expect((await deaf.read()).status).toBe(RESOURCE_EXHAUSTED);
});
