// Measures streams of the SPIFFE Workload API in a process of its own.
import process from "node:process";
import { SpiffeWorkloadAPI } from "../../src/gen/spiffe/workload/workload_pb.js";
import { Authorities } from "../../src/gen/stint/v1/authorities_pb.js";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { StepState, SvidKind } from "../../src/gen/stint/v1/types_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { measureWhenAsked, readFlags } from "./measure-when-asked.ts";
import type { Asked, Streamed } from "./measurements.ts";
import { factsOf } from "./process-facts.ts";
import { GRANT, percentile } from "./workload.ts";

const { socket, operator, pid, run, what } = readFlags("what");

const channel = openChannel(socket);
const workload = createClient(SpiffeWorkloadAPI, channel);
const steps = createClient(Steps, channel);
const broker = factsOf(Number(pid));
/** What a measurement fills in: times, and the broker's memory with the streams open. */
type Seen = { readonly timesMs: number[]; openMiB: number };

const openAny = (step: string) =>
  steps.open({
    runId: run,
    step,
    agent: "bench",
    grant: GRANT,
    executor: { executor: { case: "any", value: {} } },
  });

/**
 * From the call to its first message, one after another: attested, issued, recorded, with a key made for each SVID. One process is
 * issued a hundred at once, and no more of them can be measured.
 */
async function coldStarts(count: number, { timesMs }: Seen): Promise<void> {
  await openAny("cold");
  for (let round = 0; round < count; round += 1) {
    const startedMs = performance.now();
    for await (const { svids } of workload.fetchX509SVID({})) {
      if (svids.length === 0) throw new Error("no SVID");
      timesMs.push(performance.now() - startedMs);
      break;
    }
  }
}

/** From asking for a new key to its being in a bundle on each of so many open streams. */
async function rotation(count: number, seen: Seen): Promise<void> {
  const CONNECTIONS = 10;
  const channels = Array.from({ length: CONNECTIONS }, () => openChannel(socket));
  const streams = Array.from({ length: count }, (_, index) =>
    createClient(SpiffeWorkloadAPI, channels[index % CONNECTIONS] ?? channel).fetchX509Bundles({}),
  );
  await Promise.all(streams.map((stream) => stream.next()));
  seen.openMiB = broker.residentMiB();
  const authorities = createClient(Authorities, openChannel(operator));
  const startedMs = performance.now();
  const told = streams.map(async (stream) => {
    await stream.next();
    seen.timesMs.push(performance.now() - startedMs);
  });
  await authorities.prepare({ kind: SvidKind.X509 });
  await Promise.all(told);
}

/** Whoever is measured next executes none of these. */
async function closeAll(): Promise<void> {
  const { steps: open } = await steps.list({ runId: run, states: [StepState.OPEN] });
  await Promise.all(open.map(({ stepId }) => steps.close({ stepId, outcome: 1 })));
}

const measure = { cold: coldStarts, rotation }[what];
if (measure === undefined) throw new Error(`no such measurement: ${what}`);
await measureWhenAsked(async ({ count }: Asked["streams"]): Promise<Streamed> => {
  const seen: Seen = { timesMs: [], openMiB: 0 };
  await measure(count, seen);
  const timesMs = seen.timesMs.toSorted((a, b) => a - b);
  return {
    count: timesMs.length,
    p50Ms: percentile(timesMs, 0.5),
    p99Ms: percentile(timesMs, 0.99),
    maxMs: timesMs.at(-1) ?? Number.NaN,
    openMiB: seen.openMiB,
  };
});
await closeAll();
process.exit(0);
