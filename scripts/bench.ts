// How fast the broker is on this machine, next to what its CPU can sign. `make bench`; `--output json` for machines.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpus } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type BrokerProcess, startBroker } from "./bench/broker-process.ts";
import { registerStrangers } from "./bench/workload.ts";

const { values } = parseArgs({
  options: { output: { type: "string", default: "text" }, seconds: { type: "string", default: "8" } },
});
const seconds = values.seconds;

/** One line of the table. */
type Row = {
  readonly what: string;
  readonly callers: number;
  readonly perSecond: number;
  /** Credentials a second in units of what one core signs. */
  readonly ofSignRate: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of all the broker's threads, for one credential. */
  readonly brokerCpuMicros: number;
  /** Share of one core. */
  readonly brokerCpu: number;
  readonly generatorCpu: number;
};

function signRate(): number {
  const text = execFileSync("openssl", ["speed", "-seconds", "3", "ecdsap256"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const rate = /256 bits ecdsa.*?([\d.]+)\s+([\d.]+)\s*$/m.exec(text)?.[1];
  if (rate === undefined) throw new Error("openssl printed no rate");
  return Number(rate);
}

const MANY_ENTRIES = 10_000;
type Crowd = { readonly startMs: number; readonly alone: Row; readonly crowded: Row };

/** Streams of the SPIFFE Workload API. */
const STREAMS = [
  { what: "cold", name: "FetchX509SVID, call to first message", count: 90 },
  { what: "delivery", name: "Open, to the SVID on an open stream", count: 200 },
  { what: "rotation", name: "Prepare, to the bundle on 1,000 streams", count: 1_000 },
] as const;

let runs = 0;

/** Runs a script of the benchmark; calls `measuring` when it says so, and gives the JSON of its last line. */
async function runScript(
  name: string,
  flags: Readonly<Record<string, string>>,
  measuring: () => void,
): Promise<Record<string, number>> {
  runs += 1;
  const args = Object.entries({ ...flags, run: `bench-${runs}` }).flatMap(([flag, value]) => [`--${flag}`, value]);
  const script = fileURLToPath(new URL(`bench/${name}.ts`, import.meta.url));
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let last = "{}";
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line === "measuring") measuring();
    else last = line;
  });
  const [status] = (await once(child, "close")) as [number | null];
  if (status !== 0) throw new Error(`${name} ended with ${status}`);
  return JSON.parse(last) as Record<string, number>;
}

async function load(broker: BrokerProcess, what: string, kind: string, callers: number, rate: number): Promise<Row> {
  let before = 0;
  const result = await runScript("load", { socket: broker.socket, kind, callers: String(callers), seconds }, () => {
    before = broker.cpuSeconds();
  });
  const cpuSeconds = broker.cpuSeconds() - before;
  const { count = 0, wallSeconds = 1, cpuSeconds: generator = 0, p50Ms = 0, p99Ms = 0 } = result;
  const perSecond = count / wallSeconds;
  return {
    what,
    callers,
    perSecond,
    ofSignRate: perSecond / rate,
    p50Ms,
    p99Ms,
    brokerCpuMicros: (cpuSeconds / count) * 1_000_000,
    brokerCpu: cpuSeconds / wallSeconds,
    generatorCpu: generator / wallSeconds,
  };
}

const rate = signRate();
const broker = await startBroker();
const startMiB = broker.residentMiB();
const rows: Row[] = [];
const streams: { readonly name: string; readonly openMiB: number; readonly result: Record<string, number> }[] = [];
let endMiB = 0;
const closings: { readonly watchers: number; readonly result: Record<string, number> }[] = [];
try {
  for (const callers of [1, 8, 64]) rows.push(await load(broker, "JWT-SVID", "jwt", callers, rate));
  for (const callers of [1, 8, 64]) rows.push(await load(broker, "FetchJWTSVID (SPIFFE)", "spiffe-jwt", callers, rate));
  for (const callers of [1, 8, 64]) rows.push(await load(broker, "X.509-SVID", "x509", callers, rate));
  for (const callers of [1, 8]) rows.push(await load(broker, "JWT-SVIDs, batches of 32", "batch", callers, rate));
  for (const callers of [1, 8]) rows.push(await load(broker, "Open with a JWT-SVID, Close", "open", callers, rate));
  for (const watchers of [1, 100]) {
    const flags = { socket: broker.socket, watchers: String(watchers), rounds: "200" };
    closings.push({ watchers, result: await runScript("closing", flags, () => undefined) });
  }
  for (const { what, name, count } of STREAMS) {
    const flags = { socket: broker.socket, operator: broker.operatorSocket, what, count: String(count) };
    let openMiB = 0;
    const result = await runScript("streams", flags, () => {
      openMiB = broker.residentMiB();
    });
    streams.push({ name, openMiB, result });
  }
} finally {
  endMiB = broker.residentMiB();
  await broker.stop();
}
const crowded = await withManyEntries();
report();

/** What ten thousand entries cost: a start, and each call. */
async function withManyEntries(): Promise<Crowd> {
  const many = await startBroker();
  try {
    const alone = await load(many, "JWT-SVID, 4 entries", "jwt", 64, rate);
    await registerStrangers(many.operatorSocket, MANY_ENTRIES);
    const startMs = await many.restart();
    return { startMs, alone, crowded: await load(many, "JWT-SVID, 10,004 entries", "jwt", 64, rate) };
  } finally {
    await many.stop();
  }
}

function report(): void {
  const machine = `${cpus()[0]?.model ?? "?"} × ${cpus().length}, Node ${process.version}`;
  if (values.output === "json") {
    process.stdout.write(
      `${JSON.stringify({ machine, signRate: rate, rows, closings, streams, crowded, startMiB, endMiB })}\n`,
    );
    return;
  }
  const line = (cells: readonly string[]) => {
    const [first = "", ...rest] = cells;
    process.stdout.write(`${first.padEnd(28)}${rest.map((cell) => cell.padStart(11)).join("")}\n`);
  };
  process.stdout.write(`${machine}\nopenssl speed ecdsap256, one core: ${rate.toFixed(0)} signatures a second\n\n`);
  line(["", "callers", "a second", "of signing", "p50 ms", "p99 ms", "broker µs", "broker CPU", "load CPU"]);
  for (const row of rows) {
    line([
      row.what,
      String(row.callers),
      row.perSecond.toFixed(0),
      row.ofSignRate.toFixed(3),
      row.p50Ms.toFixed(2),
      row.p99Ms.toFixed(2),
      row.brokerCpuMicros.toFixed(0),
      `${(row.brokerCpu * 100).toFixed(0)} %`,
      `${(row.generatorCpu * 100).toFixed(0)} %`,
    ]);
  }
  process.stdout.write("\n");
  line(["Close", "watchers", "closes", "done p50", "done p99", "refused p50", "refused p99"]);
  for (const { watchers, result } of closings) {
    const { closes = 0, returnedP50Ms = 0, returnedP99Ms = 0, refusedP50Ms = 0, refusedP99Ms = 0 } = result;
    const times = [returnedP50Ms, returnedP99Ms, refusedP50Ms, refusedP99Ms].map((ms) => `${ms.toFixed(2)}`);
    line(["", String(watchers), String(closes), ...times]);
  }
  process.stdout.write("\n");
  line(["Streams", "", "times", "p50 ms", "p99 ms", "max ms"]);
  for (const { name, openMiB, result } of streams) {
    const { count = 0, p50Ms = 0, p99Ms = 0, maxMs = 0 } = result;
    line([name, "", String(count), p50Ms.toFixed(2), p99Ms.toFixed(2), maxMs.toFixed(2)]);
    if (openMiB > 0) process.stdout.write(`  broker's memory with them open: ${openMiB.toFixed(0)} MiB\n`);
  }
  const { startMs, ...beside } = crowded;
  const cost = ({ perSecond, brokerCpuMicros }: Row) =>
    `${perSecond.toFixed(0)} a second, ${brokerCpuMicros.toFixed(0)} µs each`;
  process.stdout.write(
    `\n10,004 entries: a start takes ${(startMs / 1_000).toFixed(1)} s; JWT-SVIDs at 64 callers ${cost(beside.crowded)}; with 4 entries ${cost(beside.alone)}\n`,
  );
  process.stdout.write(
    `\nbroker's memory: ${startMiB.toFixed(0)} MiB at the start, ${endMiB.toFixed(0)} MiB at the end\n`,
  );
}
