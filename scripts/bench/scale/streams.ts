import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { Revocations } from "../../../src/gen/stint/v1/revocations_pb.js";
import { Outcome, Steps } from "../../../src/gen/stint/v1/steps_pb.js";
import { openChannel } from "../../../src/wire/channel.ts";
import { type ClientOf, createClient } from "../../../src/wire/client.ts";
import { startBroker } from "../broker-process.ts";
import { median } from "../paired-ratio.ts";
import { factsOf } from "../process-facts.ts";
import { AUDIENCE, GRANT } from "../workload.ts";

/** Calls under way at once, as callers of their own would have them. */
const AT_ONCE = 32;
const CONNECTIONS = 8;
/** Open at once: one process executes 256 at most. */
const STEPS = 240;
const WATCHERS = 240;
const ROUNDS_OF_WARM_UP = 6;
const NONCE_BYTES = 16;

/**
 * What steps that are held, each by a stream of its own, and verifiers that ping take of a daemon's main thread, next to opening with a JWT-SVID and
 * closing, and of its memory. All callers are one process with few connections, which is cheaper than a connection each.
 */
export async function measureStreams(rounds: number) {
  await using broker = await startBroker();
  const facts = factsOf(broker.pid());
  const channels = Array.from({ length: CONNECTIONS }, () => openChannel(broker.socket));
  const clients = channels.map((channel) => createClient(Steps, channel));
  let run = 0;

  /** Does something for each of so many, and gives what it took of the main thread for one, microseconds. */
  async function microsOf<Result>(work: (client: ClientOf<typeof Steps>, at: number) => Promise<Result>) {
    await facts.quiet();
    const started = mainThreadMicros(broker.pid());
    const results: Result[] = [];
    for (let from = 0; from < STEPS; from += AT_ONCE) {
      const part = Array.from({ length: Math.min(AT_ONCE, STEPS - from) }, (_, at) => from + at);
      const calls = part.map((at) => work(given(clients[at % CONNECTIONS]), at));
      results.push(...(await Promise.all(calls)));
    }
    await facts.quiet();
    return { micros: (mainThreadMicros(broker.pid()) - started) / STEPS, results };
  }

  /** Steps from their opening to their close, held or not. */
  async function round(isHeld: boolean) {
    run += 1;
    const runId = `scale-${run}`;
    const opened = await microsOf(async (client, at) => {
      const { step } = await client.open({
        ...{ runId, step: `s${at}`, agent: "bench", grant: GRANT },
        credentials: { jwtSvids: [{ audiences: [AUDIENCE] }] },
      });
      return step?.stepId ?? "";
    });
    const stepId = (at: number) => opened.results[at] ?? "";
    const held = isHeld ? await microsOf((client, at) => client.hold({ stepId: stepId(at) }).next()) : { micros: 0 };
    const closed = await microsOf((client, at) => client.close({ stepId: stepId(at), outcome: Outcome.COMPLETED }));
    return { all: opened.micros + held.micros + closed.micros, hold: held.micros };
  }

  for (let warmUp = 0; warmUp < ROUNDS_OF_WARM_UP; warmUp += 1) await round(warmUp % 2 === 0);
  const seen: { readonly bare: number; readonly whole: number; readonly hold: number; readonly ping: number }[] = [];
  const revocations = channels.map((channel) => createClient(Revocations, channel));
  const watching = Array.from({ length: WATCHERS }, (_, at) => verifierThatPings(given(revocations[at % CONNECTIONS])));
  for (let measured = 0; measured < rounds; measured += 1) {
    const { all: bare } = await round(false);
    const { all: whole, hold } = await round(true);
    const { micros: ping } = await microsOf((_, at) => given(watching[at])());
    seen.push({ bare, whole, hold, ping });
  }
  for (const channel of channels) channel.close();
  const middle = (of: (one: (typeof seen)[number]) => number) => median(seen.map(of));
  return {
    "open and close µs": middle(({ bare }) => bare),
    "hold µs": middle(({ hold }) => hold),
    "ping µs": middle(({ ping }) => ping),
    "hold, of open and close": middle(({ hold, bare }) => hold / bare),
    "with its end, of open and close": middle(({ whole, bare }) => whole / bare - 1),
    "ping, of open and close": middle(({ ping, bare }) => ping / bare),
  };
}

/** A verifier of the feed that pings when it is told to, and has its answer. */
function verifierThatPings(revocations: ClientOf<typeof Revocations>) {
  const watch = revocations.watch();
  const responses = watch.responses[Symbol.asyncIterator]();
  watch.send({
    message: { case: "hello", value: { audiences: [AUDIENCE], maxStaleness: { seconds: 15n, nanos: 0 } } },
  });
  return async (): Promise<void> => {
    watch.send({ message: { case: "ping", value: { nonce: randomBytes(NONCE_BYTES) } } });
    for (;;) {
      const { value, done } = await responses.next();
      if (done === true) throw new Error("the feed ended");
      if (value.message.case === "pong") return;
    }
  };
}

function given<One>(one: One | undefined): One {
  if (one === undefined) throw new Error("one of those that were made");
  return one;
}

/** For how long the thread that serves was on a processor, so far. */
function mainThreadMicros(pid: number): number {
  const [nanoseconds] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "latin1").split(" ");
  return Number(nanoseconds) / 1_000;
}
