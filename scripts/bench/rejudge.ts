// Measures, in a process of its own, how long it takes to judge thousands of open steps anew, and what others wait meanwhile.
import process from "node:process";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Credentials } from "../../src/gen/stint/v1/credentials_pb.js";
import { Risk, RiskLevel } from "../../src/gen/stint/v1/risk_pb.js";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { measureWhenAsked, readFlags } from "./measure-when-asked.ts";
import type { Answered, Asked, Rejudged, RejudgedTwice } from "./measurements.ts";
import { factsOf } from "./process-facts.ts";
import { AUDIENCE, GRANT_OF_TWO, percentile } from "./workload.ts";

const { socket, operator, pid, run } = readFlags();
/** Steps asked for at the same time. */
const AT_ONCE = 64;
/** Between two calls of others. They are asked at this rate whether the ones before were answered or not. */
const OTHERS_EVERY_MS = 10;
/** A step is issued 50 credentials a second. */
const STEPS_OF_OTHERS = 16;
const BEFORE_MS = 3_000;
const JUDGING_SECONDS_MAX = 60;

const channel = openChannel(socket);
const operatorChannel = openChannel(operator);
const steps = createClient(Steps, channel);
const credentials = createClient(Credentials, channel);
const risk = createClient(Risk, operatorChannel);
const broker = factsOf(Number(pid));

async function openAll(runId: string, count: number): Promise<readonly string[]> {
  // Or on a machine that is slow the first would be over before the last is open. Agents are allowed 900 s.
  const expiresAt = timestampFromMs(Date.now() + 890_000);
  const ids: string[] = [];
  let left = count;
  const opener = async () => {
    while (left > 0) {
      left -= 1;
      const executor = { executor: { case: "any", value: {} } } as const;
      const opening = { runId, step: `r${left}`, agent: "bench", grant: GRANT_OF_TWO, executor, expiresAt };
      const { step } = await steps.open(opening);
      ids.push(step?.stepId ?? "");
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, opener));
  return ids;
}

/** Issues to steps of another run, on a connection of its own, until the returned function is called. */
function startOthers(stepIds: readonly string[]): () => Promise<Answered> {
  const timesMs: number[] = [];
  const asked: Promise<void>[] = [];
  const issue = async (turn: number) => {
    const stepId = stepIds[turn % stepIds.length] ?? "";
    const startedMs = performance.now();
    await credentials.issueJwtSvid({ stepId, wanted: { audiences: [AUDIENCE] } });
    timesMs.push(performance.now() - startedMs);
  };
  const timer = setInterval(() => asked.push(issue(asked.length)), OTHERS_EVERY_MS);
  return async () => {
    clearInterval(timer);
    await Promise.all(asked);
    timesMs.sort((a, b) => a - b);
    return { count: timesMs.length, p50Ms: percentile(timesMs, 0.5), p99Ms: percentile(timesMs, 0.99) };
  };
}

async function change(runId: string, level: RiskLevel, others: readonly string[]): Promise<Rejudged> {
  const stop = startOthers(others);
  const cpuSeconds = broker.cpuSeconds();
  const startedMs = performance.now();
  const { stepsJudged, stepsClosed, judgingDone } = await risk.set({
    scope: `run:${runId}`,
    level,
    reason: "measured",
    awaitJudging: { seconds: BigInt(JUDGING_SECONDS_MAX), nanos: 0 },
  });
  const wallMs = performance.now() - startedMs;
  const brokerCpuMs = (broker.cpuSeconds() - cpuSeconds) * 1_000;
  const answered = await stop();
  if (!judgingDone) throw new Error(`judged ${stepsJudged} steps in ${JUDGING_SECONDS_MAX} s, and not all`);
  return { judged: stepsJudged, closed: stepsClosed, wallMs, brokerCpuMs, others: answered };
}

let rounds = 0;
await measureWhenAsked(async ({ steps: count }: Asked["rejudge"]): Promise<RejudgedTwice> => {
  rounds += 1;
  const runId = `${run}-${rounds}`;
  const others = await openAll(`${runId}-others`, STEPS_OF_OTHERS);
  await openAll(runId, count);
  await broker.quiet();
  const stop = startOthers(others);
  await new Promise((resolve) => setTimeout(resolve, BEFORE_MS));
  const before = await stop();
  // A level that is set anew has the steps judged anew, even if it is what it was.
  const kept = await change(runId, RiskLevel.LOW, others);
  await broker.quiet();
  const closed = await change(runId, RiskLevel.HIGH, others);
  return { steps: count, before, kept, closed };
});
channel.close();
operatorChannel.close();
process.exit(0);
