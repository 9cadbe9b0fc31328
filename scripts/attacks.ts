// Eight attacks, each first against the usual set-up, where it has to succeed, and then against Stint, where it has to fail and to be on
// record. Everything told is of this run. Writes the pages of docs/attacks. Exits 1 if anything went otherwise.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { readVersion } from "../src/cli/output/version.ts";
import { ATTACKS } from "./attacks/all-attacks.ts";
import { attackPage, indexPage, type RunFacts } from "./attacks/pages.ts";
import { type AttackResult, runAttack } from "./attacks/run-attack.ts";
import { openScenes, type Scenes } from "./attacks/scenes.ts";
import { inMs } from "./demo/findings.ts";
import { monotonicMs } from "./demo/json-lines.ts";
import { createPrinter } from "./demo/print.ts";

const PAGES = new URL("../docs/attacks/", import.meta.url);

const { values } = parseArgs({ options: { output: { type: "string", default: "text" } } });
if (values.output !== "text" && values.output !== "json") {
  console.error("attacks: --output takes text or json");
  process.exit(2);
}
const forMachines = values.output === "json";
const printer = createPrinter(forMachines ? process.stderr : process.stdout);

async function runAll(scenes: Scenes): Promise<readonly AttackResult[]> {
  const results: AttackResult[] = [];
  for (const attack of ATTACKS) {
    printer.began(attack.title, results.length + 1);
    const result = await runAttack(attack, scenes);
    results.push(result);
    tell(result);
  }
  return results;
}

function tell({ usual, stint, ledger: { sequence, type, treeSize, query, proved } }: AttackResult): void {
  printer.noted(`usual   ${usual.succeeded ? "SUCCEEDED" : "FAILED   "}  ${usual.summary}`);
  printer.noted(`Stint   ${stint.succeeded ? "SUCCEEDED" : "REFUSED  "}  ${stint.summary}`);
  const place = `event ${sequence}, ${type}, ${proved ? "proved" : "NOT PROVED"} in a tree of ${treeSize}`;
  printer.dim(`   ledger  ${place}: ${query}`);
}

const startedAtMs = monotonicMs();
const scenes = await openScenes();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void scenes.close().finally(() => process.exit(1)));
}
const { processes, users } = scenes;
printer.say(
  "Each attack against the usual set-up, a key and a role check, and against Stint: the same servers, agent and model.",
);
printer.dim(
  `${processes} processes under ${users === 1 ? "one user" : `${users} users`}; up in ${inMs(monotonicMs() - startedAtMs)}`,
);
let results: readonly AttackResult[] = [];
try {
  results = await runAll(scenes);
} finally {
  await scenes.close();
}

const tookMs = Math.round(monotonicMs() - startedAtMs);
const [today = ""] = new Date().toISOString().split("T");
const run: RunFacts = { stint: readVersion(), node: process.version, date: today, processes, users, tookMs };
const count = (is: (result: AttackResult) => boolean) => results.filter(is).length;
const isKept = results.every(({ asPromised }) => asPromised);
printer.ended(
  isKept,
  `${count(({ usual }) => usual.succeeded)} of ${results.length} succeed against the usual set-up, ` +
    `${count(({ stint }) => stint.succeeded)} against Stint, ${count(({ ledger }) => ledger.proved)} are in the ledger. In ${inMs(tookMs)}.`,
);
if (forMachines) {
  console.log(JSON.stringify({ run, results }, null, 2));
} else if (users === 1) {
  printer.dim("No page is written: they tell of a run by root, in which every role gets a user of its own.");
} else if (isKept) {
  for (const result of results) {
    const attack = ATTACKS.find(({ id }) => id === result.id);
    if (attack !== undefined) writeFileSync(new URL(`${result.id}.md`, PAGES), attackPage(attack, result, run));
  }
  writeFileSync(new URL("README.md", PAGES), indexPage(results, run));
  printer.dim("Written: docs/attacks");
}
process.exitCode = isKept ? 0 : 1;
