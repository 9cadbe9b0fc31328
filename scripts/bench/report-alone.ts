import type { Alone } from "./measure-alone.ts";
import { formatShare, print, printRow } from "./table.ts";

const row = (what: string, cells: readonly string[]) => printRow(what, cells, { first: 29, cell: 12 });
const LOADS = [
  "callers",
  "a second",
  "of signing",
  "p50 ms",
  "p99 ms",
  "broker µs",
  "broker CPU",
  "load CPU",
  "others",
];
const CLOSINGS = ["verifiers", "closes", "done p50", "done p99", "refused p50", "refused p99"];
const BULK = ["steps", "answer ms", "loop p50 ms", "loop p99 ms", "loop max ms", "open MiB", "done MiB", "peak MiB"];

/** Prints the tables of one run. */
export function printAlone({ machine, signRate, rows, closings, streams, crowded, bulkClose, ...memory }: Alone): void {
  print(`${machine}\nopenssl speed ecdsap256, one core: ${signRate.toFixed(0)} signatures a second\n`);

  row("All callers on 1 connection", LOADS);
  for (const one of rows) {
    const { callers, perSecond, ofSignRate, p50Ms, p99Ms, brokerCpuMicros } = one;
    row(one.what, [
      String(callers),
      perSecond.toFixed(0),
      ofSignRate.toFixed(3),
      p50Ms.toFixed(2),
      p99Ms.toFixed(2),
      brokerCpuMicros.toFixed(0),
      ...[one.brokerCpu, one.generatorCpu, one.othersCpu].map(formatShare),
    ]);
  }
  print();
  row("Close, verifiers in 1 process", CLOSINGS);
  for (const { watchers, result } of closings) {
    const { closes, returnedP50Ms, returnedP99Ms, refusedP50Ms, refusedP99Ms } = result;
    const times = [returnedP50Ms, returnedP99Ms, refusedP50Ms, refusedP99Ms].map((ms) => ms.toFixed(2));
    row("", [String(watchers), String(closes), ...times]);
  }
  print();
  row("Streams", ["", "times", "p50 ms", "p99 ms", "max ms"]);
  for (const { name, result } of streams) {
    const { count, p50Ms, p99Ms, maxMs, openMiB } = result;
    row(name, ["", String(count), ...[p50Ms, p99Ms, maxMs].map((ms) => ms.toFixed(2))]);
    if (openMiB > 0) print(`  broker's memory with them open: ${openMiB.toFixed(0)} MiB`);
  }
  print();
  row("Closed by 1 revocation", BULK);
  const { steps, answerMs, loopP50Ms, loopP99Ms, loopMaxMs, openMiB, answeredMiB, peakMiB } = bulkClose;
  row("", [
    String(steps),
    answerMs.toFixed(0),
    ...[loopP50Ms, loopP99Ms, loopMaxMs].map((ms) => ms.toFixed(1)),
    ...[openMiB, answeredMiB, peakMiB].map((mib) => mib.toFixed(0)),
  ]);

  const cost = ({ perSecond, brokerCpuMicros }: Alone["rows"][number]) =>
    `${perSecond.toFixed(0)} a second, ${brokerCpuMicros.toFixed(0)} µs each`;
  const start = `${(crowded.startMs / 1_000).toFixed(1)} s`;
  const [many, few] = [cost(crowded.crowded), cost(crowded.alone)];
  print(`\n10,004 entries: a start takes ${start}; JWT-SVIDs at 64 callers ${many}; with 4 entries ${few}`);
  print(
    `\nbroker's memory: ${memory.startMiB.toFixed(0)} MiB at the start, ${memory.endMiB.toFixed(0)} MiB at the end`,
  );
}
