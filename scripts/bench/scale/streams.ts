import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { Revocations } from "../../../src/gen/stint/v1/revocations_pb.js";
import { Steps } from "../../../src/gen/stint/v1/steps_pb.js";
import { openChannel } from "../../../src/wire/channel.ts";
import { type ClientOf, createClient } from "../../../src/wire/client.ts";
import { startBroker } from "../broker-process.ts";
import { factsOf } from "../process-facts.ts";
import { AUDIENCE, GRANT } from "../workload.ts";

/** Calls under way at once, as callers of their own would have them. */
const AT_ONCE = 64;
const PING_ROUNDS = 8;
const WATCHERS_MAX = 500;
const NONCE_BYTES = 16;
/** More streams than this on one connection no client has. */
const CONNECTIONS = 16;

/**
 * What a daemon takes for steps that are held, each by a stream of its own, and for verifiers that ping: CPU of its main thread, and resident
 * memory. All callers are one process with few connections, which is cheaper than a connection each.
 */
export async function measureStreams(count: number) {
  await using broker = await startBroker();
  const facts = factsOf(broker.pid());
  const channels = Array.from({ length: CONNECTIONS }, () => openChannel(broker.socket));
  const steps = channels.map((channel) => createClient(Steps, channel));
  const revocations = channels.map((channel) => createClient(Revocations, channel));
  const clientOf = <One>(clients: readonly One[], number: number): One => {
    const client = clients[number % clients.length];
    if (client === undefined) throw new Error("no client");
    return client;
  };
  const cpu = () => mainThreadMicros(broker.pid());
  const ids: string[] = [];

  async function open(from: number, to: number): Promise<void> {
    await inParts(from, to, async (number) => {
      const { step } = await clientOf(steps, number).open({
        ...{ runId: `scale-${number}`, step: "held", agent: "bench", grant: GRANT },
        executor: { executor: { case: "any", value: {} } },
      });
      ids[number] = step?.stepId ?? "";
    });
  }

  async function hold(from: number, to: number): Promise<void> {
    await inParts(from, to, async (number) => {
      const held = clientOf(steps, number).hold({ stepId: ids[number] ?? "" });
      await held.next();
    });
  }

  // What is done first is compiled meanwhile.
  await open(0, count);
  await hold(0, count);
  await open(count, 2 * count);
  await facts.quiet();
  const before = { micros: cpu(), mib: facts.residentMiB() };
  await hold(count, 2 * count);
  const after = { micros: cpu(), mib: facts.residentMiB() };

  const { micros: pinged, watchers } = await ping();
  for (const channel of channels) channel.close();
  return {
    mainHoldMicros: (after.micros - before.micros) / count,
    heldResidentBytes: ((after.mib - before.mib) * 1_048_576) / count,
    mainPingMicros: pinged / (watchers * PING_ROUNDS),
  };

  async function ping() {
    const watching = Array.from({ length: Math.min(count, WATCHERS_MAX) }, (_, number) =>
      pinging(clientOf(revocations, number)),
    );
    const all = () => Promise.all(watching.map((once) => once()));
    await all();
    const started = cpu();
    for (let round = 0; round < PING_ROUNDS; round += 1) await all();
    return { micros: cpu() - started, watchers: watching.length };
  }
}

/** A verifier of the feed that pings when it is told to, and has its answer. */
function pinging(revocations: ClientOf<typeof Revocations>) {
  const watch = revocations.watch();
  const responses = watch.responses[Symbol.asyncIterator]();
  watch.send({
    message: { case: "hello", value: { audiences: [AUDIENCE], maxStaleness: { seconds: 15n, nanos: 0 } } },
  });
  return async (): Promise<void> => {
    const nonce = randomBytes(NONCE_BYTES);
    watch.send({ message: { case: "ping", value: { nonce } } });
    for (;;) {
      const { value, done } = await responses.next();
      if (done === true) throw new Error("the feed ended");
      if (value.message.case === "pong") return;
    }
  };
}

async function inParts(from: number, to: number, each: (number: number) => Promise<void>): Promise<void> {
  for (let part = from; part < to; part += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, to - part) }, (_, offset) => each(part + offset)));
  }
}

const TICK_MICROS = 10_000;

/** CPU of the thread that serves, so far. */
function mainThreadMicros(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/task/${pid}/stat`, "latin1");
  const fields = stat.replace(/^.*\) /s, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
}
