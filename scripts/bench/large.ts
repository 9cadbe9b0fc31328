// What a broker is like on a ledger of ten million events, next to one on an empty ledger: `make bench-large`, EVENTS=1000000 for fewer. The ledger is
// filled by its own acts, which takes a quarter of an hour, and kept under `build` for the next time.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type BrokerProcess, startBroker } from "./broker-process.ts";
import { packedDaemon, ROOT } from "./checkout.ts";
import { orderOf, startBoth } from "./compare.ts";
import { compareLoads } from "./compare-loads.ts";
import { createComparison, type OfBoth, type Side } from "./compared-rows.ts";
import { startCallers } from "./compiled-generator.ts";
import { keptLedger } from "./kept-ledger.ts";
import { BROKER_WARM_UP, LOADS } from "./loads.ts";
import { machineName } from "./machine.ts";
import { factsOf } from "./process-facts.ts";
import { printRows } from "./report-comparison.ts";
import { medianStart } from "./starting.ts";
import { print, printRow } from "./table.ts";

const { values } = parseArgs({
  options: {
    events: { type: "string", default: "10000000" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "1" },
  },
});
const CALLERS = [1, 64] as const;
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
if (!(rounds >= 2)) throw new Error("an interval takes two rounds or more");
const say = (progress: string) => void process.stderr.write(`${progress}\n`);

const program = packedDaemon(ROOT);
const dataDirectory = await keptLedger(Number(values.events));
const comparison = createComparison();
for (let round = 1; round <= rounds; round += 1) {
  say(`round ${round} of ${rounds}`);
  const order = orderOf(round);
  await using brokers = await startBoth((side) =>
    startBroker({ program, watchesEventLoop: true, ...(side === "head" && { dataDirectory }) }),
  );
  await compareStarts(brokers, order);
  for (const load of LOADS) await compareLoads(comparison, brokers, { load, order, callers: CALLERS, seconds });
}
print(`${machineName()}; base: an empty ledger, head: one of ${values.events} events or more; ${rounds} rounds\n`);
printRows(comparison.rows());
await whileVerifying();

async function compareStarts(brokers: OfBoth<BrokerProcess>, order: readonly [Side, Side]): Promise<void> {
  const starts = { base: await medianStart(brokers.base), head: await medianStart(brokers.head) };
  comparison.add("Start", [["ms", "less", ({ ms }) => ms]], { base: [starts.base], head: [starts.head] });
  for (const side of order) await factsOf(brokers[side].pid()).quiet();
}

/** What a verification of the whole ledger takes, and what whoever is issued credentials meanwhile waits. */
async function whileVerifying(): Promise<void> {
  say("verifying the ledger under load");
  await using broker = await startBroker({ program, watchesEventLoop: true, dataDirectory });
  await using load = await startCallers("jwt", broker);
  const asked = { callers: 8, warmUpSeconds: 0.5 };
  await load.measure(BROKER_WARM_UP);
  const alone = await load.measure({ ...asked, seconds: 10 });
  const startedMs = performance.now();
  const meanwhile = await load.measureDuring(asked, () => verifyLedger(broker.operatorSocket));
  const took = (performance.now() - startedMs) / 1_000;
  const peakMiB = factsOf(broker.pid()).peakMiB();
  // What the read kept in the write-ahead log is moved now.
  const after = await load.measure({ ...asked, seconds: 30 });
  print(`\nverified in ${took.toFixed(0)} s, at ${peakMiB.toFixed(0)} MiB, while 8 callers were issued JWT-SVIDs`);
  printRow("", ["a second", "p50 ms", "p99 ms", "max ms"], { first: 20, cell: 10 });
  for (const [when, { count, wallSeconds, p50Ms, p99Ms, maxMs }] of Object.entries({ alone, meanwhile, after })) {
    const times = [p50Ms, p99Ms, maxMs].map((ms) => ms.toFixed(1));
    printRow(when, [(count / wallSeconds).toFixed(0), ...times], { first: 20, cell: 10 });
  }
}

async function verifyLedger(operatorSocket: string): Promise<void> {
  const child = spawn(join(ROOT, "scripts/stint"), ["--operator-socket", operatorSocket, "ledger", "verify"], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [status] = (await once(child, "exit")) as [number | null];
  if (status !== 0) throw new Error(`the verification ended with ${status}`);
}
