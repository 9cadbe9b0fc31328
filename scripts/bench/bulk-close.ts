// Measures, in a process of its own, what it does to the broker when one revocation closes thousands of open steps.
import process from "node:process";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Credentials } from "../../src/gen/stint/v1/credentials_pb.js";
import { Revocations } from "../../src/gen/stint/v1/revocations_pb.js";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { createVerifier } from "../../src/sdk/verifier/index.ts";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { nextEventLoopDelay } from "./event-loop-delay-file.ts";
import { measureWhenAsked, readFlags } from "./measure-when-asked.ts";
import type { Asked, BulkClosed } from "./measurements.ts";
import { factsOf } from "./process-facts.ts";
import { AUDIENCE, GRANT } from "./workload.ts";

const { socket, operator, pid, run, delays } = readFlags("delays");
/** Steps asked for at the same time. */
const AT_ONCE = 64;

const channel = openChannel(socket);
const operatorChannel = openChannel(operator);
const steps = createClient(Steps, channel);
const credentials = createClient(Credentials, channel);
const revocations = createClient(Revocations, operatorChannel);
const broker = factsOf(Number(pid));
// Whoever revokes has somebody who must hear of it.
const verifier = createVerifier({ endpoint: `unix://${socket}`, audiences: [AUDIENCE], development: true });
await verifier.ready();

async function openAll(runId: string, count: number): Promise<void> {
  // Or on a machine that is slow the first would be over before the last is open. Agents are allowed 900 s.
  const expiresAt = timestampFromMs(Date.now() + 890_000);
  let left = count;
  const opener = async () => {
    while (left > 0) {
      left -= 1;
      const { step } = await steps.open({
        runId,
        step: `b${left}`,
        agent: "bench",
        grant: GRANT,
        executor: { executor: { case: "any", value: {} } },
        expiresAt,
      });
      // One that anybody may execute can't be opened together with its credential.
      await credentials.issueJwtSvid({ stepId: step?.stepId ?? "", wanted: { audiences: [AUDIENCE] } });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, opener));
}

let closings = 0;
await measureWhenAsked(async ({ steps: count }: Asked["bulk-close"]): Promise<BulkClosed> => {
  closings += 1;
  const runId = `${run}-${closings}`;
  await openAll(runId, count);
  await broker.quiet();
  broker.forgetPeak();
  const openMiB = broker.residentMiB();
  await nextEventLoopDelay(broker.pid, delays);
  const startedMs = performance.now();
  const { stepsClosedCount } = await revocations.revoke({ target: { case: "runId", value: runId } });
  const answerMs = performance.now() - startedMs;
  const answeredMiB = broker.residentMiB();
  if (stepsClosedCount !== count) throw new Error(`${stepsClosedCount} of ${count} steps were closed`);
  await broker.quiet();
  const { p50Ms, p99Ms, maxMs } = await nextEventLoopDelay(broker.pid, delays);
  return {
    steps: count,
    answerMs,
    loopP50Ms: p50Ms,
    loopP99Ms: p99Ms,
    loopMaxMs: maxMs,
    openMiB,
    answeredMiB,
    peakMiB: broker.peakMiB(),
  };
});
verifier.close();
channel.close();
operatorChannel.close();
process.exit(0);
