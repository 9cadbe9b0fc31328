// What the model of docs/scale.md is made of, as far as no load on a daemon shows it: bytes and CPU of the deny-list, of open steps, of the ledger's
// rows, at the populations of a large site, by the broker's own code: `make bench-scale`, STEPS=1000000 DENIALS=1300000.
import { parseArgs } from "node:util";
import { machineName } from "./machine.ts";
import { measureDenyList } from "./scale/deny-list.ts";
import { signatureMicros } from "./scale/held.ts";
import { measureHeldMemory } from "./scale/held-memory.ts";
import { measureLedgerBytes, measureLedgerCpu, measureReadingOpen } from "./scale/ledger.ts";
import { measureLists } from "./scale/lists.ts";
import { measureOpenSteps } from "./scale/open-steps.ts";
import { measureSharedLog } from "./scale/shared-log.ts";
import { measureStreams } from "./scale/streams.ts";
import { measureTree } from "./scale/tree.ts";
import { print } from "./table.ts";

const { values } = parseArgs({
  options: {
    steps: { type: "string", default: "1000000" },
    denials: { type: "string", default: "1300000" },
    processes: { type: "string", default: "20000" },
    recorded: { type: "string", default: "4096" },
    only: { type: "string", default: "deny-list,lists,tree,open-steps,ledger,streams,held" },
    held: { type: "string", default: "4000" },
    rounds: { type: "string", default: "20" },
  },
});
/** As much as an agent's entry may allow one process. */
const STEPS_PER_PROCESS = 1_000;
const only = values.only.split(",");

function printAll(title: string, figures: Readonly<Record<string, unknown>>): void {
  print(`\n${title}; a P-256 signature is checked in ${signatureMicros().toFixed(0)} µs`);
  for (const [name, figure] of Object.entries(figures)) {
    if (typeof figure === "number") print(`  ${name.padEnd(28)}${figure.toFixed(figure < 10 ? 3 : 1).padStart(12)}`);
  }
}

print(machineName());
if (only.includes("deny-list")) {
  printAll(`a deny-list of ${values.denials}, for each denial`, await measureDenyList(Number(values.denials)));
}
if (only.includes("lists")) printAll("lists that are polled", await measureLists());
if (only.includes("tree")) printAll("a tree of eight billion events, for each event and each commit", measureTree());
if (only.includes("open-steps")) {
  printAll(`${values.steps} open steps, for each`, await measureOpenSteps(Number(values.steps), STEPS_PER_PROCESS));
  const alone = Number(values.processes);
  printAll(`${alone} open steps, each of a process of its own, for each`, await measureOpenSteps(alone, 1));
}
if (only.includes("ledger")) {
  const { events, ...bytes } = await measureLedgerBytes(Number(values.recorded));
  printAll(`${values.recorded} steps in the ledger, for each`, bytes);
  printAll("what an event says, bytes", events);
  printAll("read at the start", await measureReadingOpen(Number(values.recorded)));
  const { cpu, events: recorded, lived } = await measureLedgerCpu(Number(values.recorded));
  printAll("CPU of the ledger's thread, and of a replica that takes it over, for each", cpu);
  printAll("the same steps in PostgreSQL, for each", await measureSharedLog(recorded, lived));
}
if (only.includes("streams")) {
  printAll(`at a daemon, median of ${values.rounds} rounds, for each`, await measureStreams(Number(values.rounds)));
}
if (only.includes("held")) {
  printAll(
    `${values.held} steps held at a daemon, bytes that live, for each`,
    await measureHeldMemory(Number(values.held)),
  );
}
process.exit(0);
