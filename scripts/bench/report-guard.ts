import type { CallsMeasured, OfGuard } from "./measure-guard.ts";
import { formatShare, print, printRow } from "./table.ts";

const row = (what: string, cells: readonly string[]) => printRow(what, cells, { first: 34, cell: 12 });

/** Prints the table of one run. */
export function printGuard({ machine, rows }: OfGuard): void {
  print(`${machine}\n`);
  row("A call of a trivial tool", ["calls/s", "p50 ms", "p99 ms", "server µs", "guard µs", "generator"]);
  for (const { callers, plain, guarded } of rows) {
    row(`the server alone, ${callers} at once`, cellsOf(plain));
    row("behind the guard", cellsOf(guarded));
    const ratios = [guarded.perSecond / plain.perSecond, guarded.p50Ms / plain.p50Ms, guarded.p99Ms / plain.p99Ms];
    const cpu = guarded.guardMicros / plain.serverMicros;
    row("ratio", [...ratios.map((one) => one.toFixed(2)), "", cpu.toFixed(2), ""]);
  }
  print(`
server µs, guard µs: CPU of each process for a call; their ratio is of the guard's to that of the server alone. generator: share of a
core that the process which asks has used.`);
}

function cellsOf(measured: CallsMeasured): readonly string[] {
  const { perSecond, p50Ms, p99Ms, serverMicros, guardMicros, generatorShare } = measured;
  return [
    perSecond.toFixed(0),
    p50Ms.toFixed(2),
    p99Ms.toFixed(2),
    serverMicros.toFixed(0),
    guardMicros.toFixed(0),
    formatShare(generatorShare),
  ];
}
