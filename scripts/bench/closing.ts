// Measures, in a process of its own, how long after a close was asked for each of N verifiers refuses.
import process from "node:process";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { createVerifier } from "../../src/sdk/verifier/index.ts";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { measureWhenAsked, readFlags } from "./measure-when-asked.ts";
import type { Asked, Closings } from "./measurements.ts";
import { AUDIENCE, GRANT, percentile } from "./workload.ts";

const { socket, run, watchers } = readFlags("watchers");

const channel = openChannel(socket);
const steps = createClient(Steps, channel);
const verifiers = Array.from({ length: Number(watchers) }, () =>
  createVerifier({ endpoint: `unix://${socket}`, audiences: [AUDIENCE], development: true }),
);
await Promise.all(verifiers.map((verifier) => verifier.ready()));

let number = 0;

/** Opens a step, verifies its token everywhere, and closes it; gives when the close was answered and when each refused. */
async function closeOne(): Promise<{ readonly returnedMs: number; readonly refusedMs: readonly number[] }> {
  number += 1;
  const { step, jwtSvids } = await steps.open({
    runId: run,
    step: `c${number}`,
    agent: "bench",
    grant: GRANT,
    credentials: { jwtSvids: [{ audiences: [AUDIENCE] }] },
  });
  const outcome = jwtSvids[0]?.outcome;
  if (outcome?.case !== "svid") throw new Error("no credential came along");
  const token = outcome.value.svid;
  const verified = verifiers.map((verifier) => verifier.verify(token));
  const startedMs = performance.now();
  const refusals = verifiers.map(
    (verifier, index) =>
      new Promise<number>((resolve) => {
        const one = verified[index];
        if (one === undefined) throw new Error("not verified");
        verifier.onClosed(one, () => resolve(performance.now() - startedMs));
      }),
  );
  await steps.close({ stepId: step?.stepId ?? "", outcome: 1 });
  const returnedMs = performance.now() - startedMs;
  return { returnedMs, refusedMs: await Promise.all(refusals) };
}

await measureWhenAsked(async ({ closes }: Asked["closing"]): Promise<Closings> => {
  const refusedMs: number[] = [];
  const returnedMs: number[] = [];
  for (let round = 0; round < closes; round += 1) {
    const one = await closeOne();
    returnedMs.push(one.returnedMs);
    refusedMs.push(...one.refusedMs);
  }
  for (const list of [refusedMs, returnedMs]) list.sort((a, b) => a - b);
  return {
    closes,
    returnedP50Ms: percentile(returnedMs, 0.5),
    returnedP99Ms: percentile(returnedMs, 0.99),
    refusedP50Ms: percentile(refusedMs, 0.5),
    refusedP99Ms: percentile(refusedMs, 0.99),
  };
});
for (const verifier of verifiers) verifier.close();
channel.close();
process.exit(0);
