// What `stint report` takes of its own process and of the broker's, on a ledger of EVENTS=1000000 next to one of a hundredth of it: `make bench-report`.
// The ledgers are filled by their own acts, and kept under `build` for the next time.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { FRAMEWORK_NAMES, REPORT_FORMATS } from "../../src/cli/report/framework-names.ts";
import { type BrokerProcess, startBroker } from "./broker-process.ts";
import { packedDaemon, ROOT } from "./checkout.ts";
import { keptLedger } from "./kept-ledger.ts";
import { machineName } from "./machine.ts";
import { factsOf } from "./process-facts.ts";
import { print, printRow } from "./table.ts";

const { values } = parseArgs({ options: { events: { type: "string", default: "1000000" } } });
const EVENTS = [Number(values.events) / 100, Number(values.events)].map(Math.round);
/** Of its own process, in KiB, as the kernel counts it. */
const PEAK = `import { writeFileSync } from "node:fs";
process.on("exit", () => writeFileSync(process.env.PEAK_FILE, String(process.resourceUsage().maxRSS)));`;

const stintd = packedDaemon(ROOT);
const stint = join(dirname(stintd), "stint.js");
const directory = mkdtempSync(join(tmpdir(), "stint-reports-"));
const widths = { first: 24, cell: 16 };

print(`${machineName()}; of the whole ledger; s, MiB of the command, MiB of the broker\n`);
const rows = new Map<string, string[]>();
for (const events of EVENTS) {
  await using broker = await startBroker({ program: stintd, dataDirectory: await keptLedger(events) });
  for (const framework of FRAMEWORK_NAMES) {
    const formats = framework === "nist-csf" ? REPORT_FORMATS : (["html"] as const);
    for (const format of formats) {
      const name = `${framework}, ${format}`;
      rows.set(name, [...(rows.get(name) ?? []), await measured(broker, framework, format)]);
    }
  }
}
printRow("events:", EVENTS.map(String), widths);
for (const [name, cells] of rows) printRow(name, cells, widths);
rmSync(directory, { recursive: true });

async function measured(broker: BrokerProcess, framework: string, format: string): Promise<string> {
  const facts = factsOf(broker.pid());
  await facts.quiet();
  facts.forgetPeak();
  const out = join(directory, "report");
  const args = ["report", "--framework", framework, "--since", "2020-01-01", "--format", format, "--out", out];
  const startedMs = performance.now();
  const child = spawn(
    process.execPath,
    [
      `--import=data:text/javascript,${encodeURIComponent(PEAK)}`,
      ...[stint, "--operator-socket", broker.operatorSocket, "--timeout", "5m", ...args],
    ],
    { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, PEAK_FILE: join(directory, "peak") } },
  );
  const [status] = (await once(child, "exit")) as [number | null];
  if (status !== 0) throw new Error(`the report ended with ${status}`);
  const seconds = (performance.now() - startedMs) / 1_000;
  rmSync(out);
  const ownMiB = Number(readFileSync(join(directory, "peak"), "utf8")) / 1_024;
  return [seconds.toFixed(1), ownMiB.toFixed(0), facts.peakMiB().toFixed(0)].join(", ");
}
