import type { Checkout } from "./checkout.ts";
import { type ComparedRow, NOT_SLOWER, type OfBoth } from "./compared-rows.ts";
import type { Inside } from "./inside-broker.ts";
import { standing } from "./paired-ratio.ts";
import { printInside } from "./report-inside.ts";
import type { Plan } from "./rows.ts";
import { formatShare, print, printRow } from "./table.ts";

/** All that one comparison has to say. */
export type Comparison = {
  readonly machine: string;
  readonly checkouts: OfBoth<Checkout>;
  readonly plan: Plan;
  readonly rows: readonly ComparedRow[];
  readonly inside: readonly Inside[];
};

const row = (what: string, cells: readonly string[]) => printRow(what, cells, { first: 52, cell: 9 });

/** Prints one line a row. */
export function printComparison({ machine, checkouts, plan, rows, inside }: Comparison): void {
  print(machine);
  print(`base ${checkouts.base.name}`);
  print(`head ${checkouts.head.name}`);
  print(`${plan.rounds} rounds, ${plan.bulkRounds} of the revocation; in each, daemons and data of their own\n`);

  printRows(rows);
  print(`
base, head: medians of the rounds. ratio: above 1 the head is better, in rows where less is better too. from, to: 95 % interval
of the ratio; chance alone puts one row in twenty outside of it. ${NOT_SLOWER}: the whole interval is above it, or has reached it,
or is below. Each caller of a load is a process with a connection of its own, where the row does not say otherwise; all verifiers are
in one process. load CPU: the most that all these processes used of a core in any slice; others: what all else on the machine used of a
core, on average; failed: calls of both, which are in no other figure.`);
  printInside(inside);
}

export function printRows(rows: readonly ComparedRow[]): void {
  row("", ["base", "head", "ratio", "from", "to", String(NOT_SLOWER), "load CPU", "others", "failed"]);
  for (const { what, unit, base, head, ratio, low, high, load } of rows) {
    const interval = [ratio, low, high].map((one) => one.toFixed(3));
    const cpu =
      load === undefined ? [] : [...[load.generatorCpu, load.othersCpu].map(formatShare), String(load.failed)];
    row(`${what}, ${unit}`, [
      formatFigure(base),
      formatFigure(head),
      ...interval,
      standing({ ratio, low, high }, NOT_SLOWER),
      ...cpu,
    ]);
  }
}

/** Three digits, or all before the point. */
function formatFigure(value: number): string {
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}
