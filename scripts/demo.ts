// The demo: a broker, MCP servers, agent runtimes and a sub-agent, each a process of its own, and what Stint promises
// shown on them. Everything printed is measured in this run. Exits 1 if a promise was not kept.
import { parseArgs } from "node:util";
import { completeDuringCall } from "./demo/acts/complete.ts";
import { delegate } from "./demo/acts/delegate.ts";
import { readHistory } from "./demo/acts/history.ts";
import { killRuntime } from "./demo/acts/kill.ts";
import { callTools, openTwoSteps } from "./demo/acts/open-and-call.ts";
import { createReport, inMs, type Report } from "./demo/findings.ts";
import { monotonicMs } from "./demo/json-lines.ts";
import { createPrinter } from "./demo/print.ts";
import { openScene, type Scene } from "./demo/scene.ts";

const { values } = parseArgs({ options: { output: { type: "string", default: "text" } } });
if (values.output !== "text" && values.output !== "json") {
  console.error("demo: --output takes text or json");
  process.exit(2);
}
const forMachines = values.output === "json";
const printer = createPrinter(forMachines ? process.stderr : process.stdout);
const silent = () => undefined;

async function perform(scene: Scene, report: Report): Promise<void> {
  await openTwoSteps(scene, report);
  await callTools(scene, report);
  await completeDuringCall(scene, report);
  const decisionId = await delegate(scene, report);
  const ofDoomed = await killRuntime(scene, report);
  await scene.runtime.ask("close", { step: "find" });
  const received = [...(await scene.runtime.ask("received")), ...(await scene.subAgent.ask("received")), ...ofDoomed];
  await readHistory(scene, report, { received, decisionId });
}

const startedAtMs = monotonicMs();
const report = createReport(forMachines ? { began: silent, found: silent, noted: silent } : printer);
const scene = await openScene();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void scene.close().finally(() => process.exit(1)));
}
const { processes, users } = scene;
const readyMs = monotonicMs() - startedAtMs;
if (!forMachines) {
  const who = "a broker, 2 MCP servers, 2 agent runtimes, a sub-agent";
  printer.say("Stint: an AI agent holds a credential for one stint of work, and not a second longer.");
  printer.dim(
    `${processes} processes under ${users === 1 ? "one user" : `${users} users`}: ${who}; up in ${inMs(readyMs)}`,
  );
}
try {
  await perform(scene, report);
} finally {
  await scene.close();
}

const tookMs = monotonicMs() - startedAtMs;
const findings = report.acts.flatMap((act) => act.findings);
const kept = findings.filter(({ held }) => held).length;
const isKept = kept === findings.length;
if (forMachines) {
  const acts = report.acts.map(({ title, findings: promises }) => ({ title, promises }));
  console.log(
    JSON.stringify({ kept, broken: findings.length - kept, processes, users, readyMs, tookMs, acts }, null, 2),
  );
} else {
  printer.ended(isKept, `${kept} of ${findings.length} promises kept, in ${inMs(tookMs)}.`);
  if (users === 1) printer.dim("Run by root, every role gets a user of its own.");
}
process.exitCode = isKept ? 0 : 1;
