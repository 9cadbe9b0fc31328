// How fast the broker is on this machine, next to what its CPU can sign; with --base, next to another commit; with --policies or --guard, what these cost. `make bench`;
// `--output json` for machines.
import process from "node:process";
import { parseArgs } from "node:util";
import { checkOut, thisCheckout } from "./bench/checkout.ts";
import { compare } from "./bench/compare.ts";
import { isGoThere } from "./bench/compiled-generator.ts";
import { machineName } from "./bench/machine.ts";
import { measureAlone } from "./bench/measure-alone.ts";
import { measureGuard } from "./bench/measure-guard.ts";
import { measurePolicies } from "./bench/measure-policies.ts";
import { printAlone } from "./bench/report-alone.ts";
import { type Comparison, printComparison } from "./bench/report-comparison.ts";
import { printGuard } from "./bench/report-guard.ts";
import { printPolicies } from "./bench/report-policies.ts";
import { parseCallers, parseRows } from "./bench/rows.ts";

const { values } = parseArgs({
  options: {
    output: { type: "string", default: "text" },
    /** How long a load is measured: 8, or in a comparison 0.4, four times a round for each commit. */
    seconds: { type: "string" },
    base: { type: "string" },
    /** What policies cost, and nothing else. */
    policies: { type: "boolean", default: false },
    /** What a guard in front of an MCP server costs, and nothing else. */
    guard: { type: "boolean", default: false },
    /** Only these, with commas between them; see bench/rows.ts. */
    rows: { type: "string" },
    /** How many callers a load has, with commas between: 1,8,64. */
    callers: { type: "string" },
    rounds: { type: "string", default: "5" },
    "bulk-rounds": { type: "string", default: "4" },
  },
});
const isJson = values.output === "json";
const printJson = (value: object) => void process.stdout.write(`${JSON.stringify(value)}\n`);

const say = (progress: string) => void process.stderr.write(`${progress}\n`);

const chosen = { rows: parseRows(values.rows), callers: parseCallers(values.callers) };

if (!values.guard && !values.policies && !isGoThere()) {
  say("The load comes from a program in Go, and there is no `go` on the PATH: install Go 1.26 or later.");
  process.exit(1);
}

if (values.guard) {
  const ofGuard = await measureGuard(Number(values.seconds ?? 8), say);
  if (isJson) printJson(ofGuard);
  else printGuard(ofGuard);
} else if (values.policies) {
  const plan = { rounds: Number(values.rounds), seconds: Number(values.seconds ?? 0.4) };
  if (!(plan.rounds >= 2)) throw new Error("an interval takes two rounds or more");
  const ofPolicies = await measurePolicies(plan, say);
  if (isJson) printJson(ofPolicies);
  else printPolicies(ofPolicies);
} else if (values.base === undefined) {
  const alone = await measureAlone({ seconds: Number(values.seconds ?? 8), ...chosen }, say);
  if (isJson) printJson(alone);
  else printAlone(alone);
} else {
  const plan = {
    rounds: Number(values.rounds),
    bulkRounds: Number(values["bulk-rounds"]),
    seconds: Number(values.seconds ?? 0.4),
    ...chosen,
  };
  if (!(plan.rounds >= 2 && plan.bulkRounds >= 2)) throw new Error("an interval takes two rounds or more");
  say(`checking out ${values.base}`);
  const checkouts = { base: checkOut(values.base), head: thisCheckout() };
  const comparison: Comparison = {
    machine: machineName(),
    checkouts,
    plan,
    ...(await compare(checkouts, plan, say)),
  };
  if (isJson) printJson(comparison);
  else printComparison(comparison);
}
