// Measures, in a process of its own, how long the close of a step takes that has a thousand credentials and a hundred descendants.
import process from "node:process";
import { setTimeout as after } from "node:timers/promises";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Credentials } from "../../src/gen/stint/v1/credentials_pb.js";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { createVerifier } from "../../src/sdk/verifier/index.ts";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { measureWhenAsked, readFlags } from "./measure-when-asked.ts";
import type { Asked, TreesClosed } from "./measurements.ts";
import { AUDIENCE, GRANT, percentile } from "./workload.ts";

const { socket, run } = readFlags();
/** A step is issued 50 credentials a second. */
const BATCH = 25;
const BATCH_MS = 550;

const channel = openChannel(socket);
const steps = createClient(Steps, channel);
const credentials = createClient(Credentials, channel);
// Whoever closes has somebody who must hear of it.
const verifier = createVerifier({ endpoint: `unix://${socket}`, audiences: [AUDIENCE], development: true });
await verifier.ready();

let opened = 0;
const expiresAt = timestampFromMs(Date.now() + 600_000);

async function open(parentStepId: string): Promise<string> {
  opened += 1;
  const { step } = await steps.open({
    ...{ runId: run, step: `t${opened}`, agent: "bench", grant: GRANT, parentStepId },
    executor: { executor: { case: "any", value: {} } },
    // Of each tree the same, and not over before the last is closed. Agents are allowed 900 s.
    expiresAt,
  });
  return step?.stepId ?? "";
}

/** A step with so many credentials and children, each of which has one. */
async function tree(issued: number, children: number): Promise<string> {
  const stepId = await open("");
  const wanted = { audiences: [AUDIENCE] };
  for (let child = 0; child < children; child += 1) {
    await credentials.issueJwtSvid({ stepId: await open(stepId), wanted });
  }
  for (let left = issued; left > 0; left -= BATCH) {
    const batch = Array.from({ length: Math.min(left, BATCH) }, () => wanted);
    const { outcomes } = await credentials.issueJwtSvids({ stepId, wanted: batch });
    if (outcomes.some(({ outcome }) => outcome.case !== "svid")) throw new Error("a credential was not issued");
    await after(BATCH_MS);
  }
  return stepId;
}

await measureWhenAsked(async ({ trees, issued, children }: Asked["tree-close"]): Promise<TreesClosed> => {
  const all = await Promise.all(Array.from({ length: trees }, () => tree(issued, children)));
  const tookMs: number[] = [];
  for (const stepId of all) {
    const startedMs = performance.now();
    await steps.close({ stepId, outcome: 1 });
    tookMs.push(performance.now() - startedMs);
  }
  tookMs.sort((a, b) => a - b);
  return { trees, p50Ms: percentile(tookMs, 0.5), maxMs: percentile(tookMs, 1) };
});
verifier.close();
channel.close();
process.exit(0);
