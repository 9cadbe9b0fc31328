// Measures, in a process of its own, how long after a close was asked for each of N verifiers refuses. Prints one JSON line.
import { parseArgs } from "node:util";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { createVerifier } from "../../src/sdk/verifier/index.ts";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { AUDIENCE, GRANT, percentile } from "./workload.ts";

const { values } = parseArgs({
  options: {
    socket: { type: "string" },
    watchers: { type: "string" },
    rounds: { type: "string" },
    run: { type: "string" },
  },
});
const { socket = "", run = "" } = values;

const channel = openChannel(socket);
const steps = createClient(Steps, channel);
const verifiers = Array.from({ length: Number(values.watchers) }, () =>
  createVerifier({ endpoint: `unix://${socket}`, audiences: [AUDIENCE], development: true }),
);
await Promise.all(verifiers.map((verifier) => verifier.ready()));

const refusedMs: number[] = [];
const returnedMs: number[] = [];
for (let round = 0; round < Number(values.rounds); round += 1) {
  const { step, jwtSvids } = await steps.open({
    runId: run,
    step: `c${round}`,
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
      new Promise<void>((resolve) => {
        const one = verified[index];
        if (one === undefined) throw new Error("not verified");
        verifier.onClosed(one, () => {
          refusedMs.push(performance.now() - startedMs);
          resolve();
        });
      }),
  );
  await steps.close({ stepId: step?.stepId ?? "", outcome: 1 });
  returnedMs.push(performance.now() - startedMs);
  await Promise.all(refusals);
}
for (const list of [refusedMs, returnedMs]) list.sort((a, b) => a - b);
process.stdout.write(
  `${JSON.stringify({
    closes: returnedMs.length,
    returnedP50Ms: percentile(returnedMs, 0.5),
    returnedP99Ms: percentile(returnedMs, 0.99),
    refusedP50Ms: percentile(refusedMs, 0.5),
    refusedP99Ms: percentile(refusedMs, 0.99),
  })}\n`,
);
for (const verifier of verifiers) verifier.close();
channel.close();
process.exit(0);
