import { type CallsMeasured, type OfGuard, SIDES } from "./measure-guard.ts";
import { formatShare, print, printRow } from "./table.ts";

const NAMES = { guarded: "behind the guard", bridged: "by way of the bridge" } as const;

const row = (what: string, cells: readonly string[]) => printRow(what, cells, { first: 34, cell: 12 });

/** Prints the table of one run. */
export function printGuard({ machine, rows }: OfGuard): void {
  print(`${machine}\n`);
  row("A call of a trivial tool", ["calls/s", "p50 ms", "p99 ms", "server µs", "own µs", "generator"]);
  for (const measured of rows) {
    const { plain, callers } = measured;
    row(`the server alone, ${callers} at once`, cellsOf(plain));
    for (const side of SIDES) {
      if (side === "plain") continue;
      row(NAMES[side], cellsOf(measured[side]));
      const { perSecond, p50Ms, p99Ms, betweenMicros } = measured[side];
      const ratios = [perSecond / plain.perSecond, p50Ms / plain.p50Ms, p99Ms / plain.p99Ms];
      const cpu = betweenMicros / plain.serverMicros;
      row("ratio", [...ratios.map((one) => one.toFixed(2)), "", cpu.toFixed(2), ""]);
    }
  }
  print(`
server µs, own µs: CPU for a call, of the server's process and of the guard's or bridge's; the ratio of the second is to the server's
alone. generator: share of a core that the process which asks has used.`);
}

function cellsOf(measured: CallsMeasured): readonly string[] {
  const { perSecond, p50Ms, p99Ms, serverMicros, betweenMicros, generatorShare } = measured;
  return [
    perSecond.toFixed(0),
    p50Ms.toFixed(2),
    p99Ms.toFixed(2),
    serverMicros.toFixed(0),
    betweenMicros.toFixed(0),
    formatShare(generatorShare),
  ];
}
