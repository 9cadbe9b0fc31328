// Measures, in a process of its own, what one tool call costs a verifier that need not ask the broker about it: its token, and
// whether the step may do this now. The verifier is that of the checkout which is measured.
import { join } from "node:path";
import process from "node:process";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { measureWhenAsked, readFlags } from "./measure-when-asked.ts";
import type { Asked, Verified } from "./measurements.ts";
import { AUDIENCE, GRANT } from "./workload.ts";

const { socket, run, checkout } = readFlags("checkout");
const { createVerifier } = (await import(
  join(checkout, "src/sdk/verifier/index.ts")
)) as typeof import("../../src/sdk/verifier/index.ts");

const channel = openChannel(socket);
const steps = createClient(Steps, channel);
const verifier = createVerifier({ endpoint: `unix://${socket}`, audiences: [AUDIENCE], development: true });
await verifier.ready();

let number = 0;
async function issuedToken(): Promise<string> {
  number += 1;
  const opening = { runId: run, step: `v${number}`, agent: "bench", grant: GRANT };
  const { jwtSvids } = await steps.open({ ...opening, credentials: { jwtSvids: [{ audiences: [AUDIENCE] }] } });
  const outcome = jwtSvids[0]?.outcome;
  if (outcome?.case !== "svid") throw new Error("no credential came along");
  return outcome.value.svid;
}

await measureWhenAsked(async ({ calls }: Asked["verifying"]): Promise<Verified> => {
  const token = await issuedToken();
  const startedCpu = process.threadCpuUsage();
  const startedMs = performance.now();
  for (let call = 0; call < calls; call += 1) {
    const verified = verifier.verify(token, { actions: ["read"] });
    verifier.authorize(verified, { tool: "search", actions: ["read"], datatypes: ["internal"] });
  }
  const wallSeconds = (performance.now() - startedMs) / 1_000;
  const { user, system } = process.threadCpuUsage(startedCpu);
  return { calls, wallSeconds, cpuMicros: user + system };
});
verifier.close();
channel.close();
process.exit(0);
