// Measures, in a process of its own, what one tool call costs a verifier that need not ask the broker about it: its token, and
// whether the step may do this now. Each token is one that the verifier does not know: of one that it has seen it would not check the
// signature again. The verifier is that of the checkout which is measured.
import { join } from "node:path";
import process from "node:process";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { measureWhenAsked, readFlags } from "./measure-when-asked.ts";
import type { Asked, Verified } from "./measurements.ts";
import { AUDIENCE, GRANT } from "./workload.ts";

/** Tokens of one step, as many as come in one answer. */
const TOKENS_OF_STEP = 64;
/** More tokens than a verifier remembers (1,000): each is forgotten before it comes again. */
const STEPS = 20;

const { socket, run, checkout } = readFlags("checkout");
const { createVerifier } = (await import(
  join(checkout, "src/sdk/verifier/index.ts")
)) as typeof import("../../src/sdk/verifier/index.ts");

const channel = openChannel(socket);
const steps = createClient(Steps, channel);
const verifier = createVerifier({ endpoint: `unix://${socket}`, audiences: [AUDIENCE], development: true });
await verifier.ready();

let number = 0;
async function issuedTokens(): Promise<readonly string[]> {
  number += 1;
  const opening = { runId: run, step: `v${number}`, agent: "bench", grant: GRANT };
  const wanted = Array.from({ length: TOKENS_OF_STEP }, () => ({ audiences: [AUDIENCE] }));
  const { jwtSvids } = await steps.open({ ...opening, credentials: { jwtSvids: wanted } });
  return jwtSvids.map(({ outcome }) => {
    if (outcome.case !== "svid") throw new Error("no credential came along");
    return outcome.value.svid;
  });
}

await measureWhenAsked(async ({ calls }: Asked["verifying"]): Promise<Verified> => {
  const tokens: string[] = [];
  for (let step = 0; step < STEPS; step += 1) tokens.push(...(await issuedTokens()));
  const startedCpu = process.threadCpuUsage();
  const startedMs = performance.now();
  for (let call = 0; call < calls; call += 1) {
    const verified = verifier.verify(tokens[call % tokens.length] ?? "", { actions: ["read"] });
    verifier.authorize(verified, { tool: "search", actions: ["read"], datatypes: ["internal"] });
  }
  const wallSeconds = (performance.now() - startedMs) / 1_000;
  const { user, system } = process.threadCpuUsage(startedCpu);
  return { calls, wallSeconds, cpuMicros: user + system };
});
verifier.close();
channel.close();
process.exit(0);
