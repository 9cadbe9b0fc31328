import type { Joining } from "./joining.ts";
import type { Alone } from "./measure-alone.ts";
import type { BulkClosed, Loaded, Told } from "./measurements.ts";
import { printInside } from "./report-inside.ts";
import { formatShare, print, printRow } from "./table.ts";

const row = (what: string, cells: readonly string[]) => printRow(what, cells, { first: 36, cell: 11 });
const LOADS = [
  "callers",
  "a second",
  "of signing",
  "p50 ms",
  "p99 ms",
  "max ms",
  "broker µs",
  "load µs",
  "broker CPU",
  "load CPU",
  "others",
  "failed",
];
const CLOSINGS = ["verifiers", "closes", "done p50", "done p99", "refused p50", "refused p99"];
const JOININGS = [
  "ready",
  "all ms",
  "p50 ms",
  "p99 ms",
  "issued/s",
  "meanwhile",
  "share",
  "MiB before",
  "peak MiB",
  "their CPU",
];
const BULK = ["steps", "answer ms", "loop p50 ms", "loop p99 ms", "loop max ms", "open MiB", "done MiB", "peak MiB"];

/** Prints the tables of one run. */
export function printAlone(measured: Alone): void {
  const { machine, signRate, closings, streams, delivery, told, joining, starts, crowded, treesClosed, bulkClose } =
    measured;
  print(`${machine}\nopenssl speed ecdsap256, one core: ${signRate.toFixed(0)} signatures a second\n`);

  printLoads("Each caller a process", measured.rows);
  printLoads("All callers on 1 connection", measured.onOneConnection);
  printInside(measured.inside);
  if (closings.length > 0) print();
  if (closings.length > 0) row("Close, verifiers in 1 process", CLOSINGS);
  for (const { watchers, result } of closings) {
    const { closes, returnedP50Ms, returnedP99Ms, refusedP50Ms, refusedP99Ms } = result;
    const times = [returnedP50Ms, returnedP99Ms, refusedP50Ms, refusedP99Ms].map((ms) => ms.toFixed(2));
    row("", [String(watchers), String(closes), ...times]);
  }
  if (streams.length > 0) print();
  if (streams.length > 0) row("Streams", ["", "times", "p50 ms", "p99 ms", "max ms"]);
  for (const { name, result } of streams) {
    const { count, p50Ms, p99Ms, maxMs, openMiB } = result;
    row(name, ["", String(count), ...[p50Ms, p99Ms, maxMs].map((ms) => ms.toFixed(2))]);
    if (openMiB > 0) print(`  broker's memory with them open: ${openMiB.toFixed(0)} MiB`);
  }
  if (delivery !== undefined) {
    row("Open, to the SVID on an open stream", ["", String(delivery.count), ...timesOf(delivery)]);
  }
  if (told !== undefined) {
    print();
    row("Close, told to 1,000 verifiers", ["", "closes", "p50 ms", "p99 ms", "max ms", "verifiers' CPU"]);
    const cpu = formatShare(told.cpuSeconds.generator / told.wallSeconds);
    row("each with a connection", ["", String(told.closes), ...timesOf(told), cpu]);
  }
  if (joining !== undefined) printJoining(joining);
  if (starts !== undefined) {
    print();
    row("A start", ["", "events", "ms", "CPU ms"]);
    for (const [events, { ms, cpuMs }] of [
      ["few", starts.empty],
      [String(starts.events), starts.filled],
    ] as const) {
      row("until calls are answered", ["", events, ms.toFixed(0), cpuMs.toFixed(0)]);
    }
  }
  if (treesClosed !== undefined) {
    print();
    row("Close of a step with descendants", ["", "closes", "p50 ms", "max ms"]);
    const { trees, p50Ms, maxMs } = treesClosed;
    row("1,000 credentials, 100 descendants", ["", String(trees), ...[p50Ms, maxMs].map((ms) => ms.toFixed(1))]);
  }
  if (bulkClose !== undefined) printBulkClose(bulkClose);
  if (crowded !== undefined) printCrowded(crowded);
  const [startMiB, endMiB] = [measured.startMiB, measured.endMiB].map((mib) => mib.toFixed(0));
  print(`\nbroker's memory: ${startMiB} MiB at the start, ${endMiB} MiB at the end`);
}

function printLoads(title: string, rows: Alone["rows"]): void {
  if (rows.length === 0) return;
  row(title, LOADS);
  for (const one of rows) {
    row(one.what, [
      String(one.callers),
      one.perSecond.toFixed(0),
      one.ofSignRate.toFixed(3),
      ...[one.p50Ms, one.p99Ms, one.maxMs].map((ms) => ms.toFixed(2)),
      ...[one.brokerCpuMicros, one.generatorCpuMicros].map((micros) => micros.toFixed(0)),
      ...[one.brokerCpu, one.generatorCpu, one.othersCpu].map(formatShare),
      String(one.failed),
    ]);
  }
  print();
}

const timesOf = ({ p50Ms, p99Ms, maxMs }: Loaded | Told) => [p50Ms, p99Ms, maxMs].map((ms) => ms.toFixed(2));

function printJoining(joining: Joining): void {
  print();
  row("1,000 verifiers join at once", JOININGS);
  row("at 10,000 denials", [
    String(joining.ready),
    ...[joining.wallSeconds * 1_000, joining.p50Ms, joining.p99Ms].map((ms) => ms.toFixed(0)),
    ...[joining.issuedAlone, joining.issuedMeanwhile].map((rate) => rate.toFixed(0)),
    formatShare(joining.issuedMeanwhile / joining.issuedAlone),
    ...[joining.beforeMiB, joining.peakMiB].map((mib) => mib.toFixed(0)),
    formatShare(joining.cpuSeconds.generator / joining.wallSeconds),
  ]);
  for (const [failure, count] of Object.entries(joining.failures)) print(`  ${count} attempts failed: ${failure}`);
}

function printBulkClose(bulkClose: BulkClosed): void {
  print();
  row("Closed by 1 revocation", BULK);
  const { steps, answerMs, loopP50Ms, loopP99Ms, loopMaxMs, openMiB, answeredMiB, peakMiB } = bulkClose;
  row("", [
    String(steps),
    answerMs.toFixed(0),
    ...[loopP50Ms, loopP99Ms, loopMaxMs].map((ms) => ms.toFixed(1)),
    ...[openMiB, answeredMiB, peakMiB].map((mib) => mib.toFixed(0)),
  ]);
}

function printCrowded(crowded: NonNullable<Alone["crowded"]>): void {
  const cost = ({ perSecond, brokerCpuMicros }: Alone["rows"][number]) =>
    `${perSecond.toFixed(0)} a second, ${brokerCpuMicros.toFixed(0)} µs each`;
  const start = `${(crowded.startMs / 1_000).toFixed(1)} s`;
  const [many, few] = [cost(crowded.crowded), cost(crowded.alone)];
  print(`\n10,004 entries: a start takes ${start}; JWT-SVIDs at 64 callers ${many}; with 4 entries ${few}`);
}
