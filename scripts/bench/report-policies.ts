import type { DecisionRow, OfPolicies } from "./measure-policies.ts";
import type { Answered, Rejudged } from "./measurements.ts";
import { formatShare, print, printRow } from "./table.ts";

const row = (what: string, cells: readonly string[]) => printRow(what, cells, { first: 52, cell: 11 });

/** Prints the tables of one run. */
export function printPolicies({ machine, decisions, openings, rejudging }: OfPolicies): void {
  print(`${machine}\n`);
  row("One decision, asked alone", ["p50 µs", "p99 µs", "engine µs", "asker µs", "of baseline"]);
  for (const one of decisions) {
    const baseline = decisions.find(({ sitePolicies, isNew }) => sitePolicies === 0 && isNew === one.isNew) ?? one;
    const times = [one.p50Micros, one.p99Micros, one.engineMicros, one.askerMicros];
    row(nameOf(one), [...times.map((micros) => micros.toFixed(0)), (costOf(one) / costOf(baseline)).toFixed(2)]);
  }

  print();
  row("Steps.Open, durable", ["ceiling", "baseline", "ratio", "from", "to", "load CPU", "others"]);
  for (const { what, unit, base, head, ratio, low, high, load } of openings) {
    const cpu = load === undefined ? [] : [load.generatorCpu, load.othersCpu].map(formatShare);
    row(`${what}, ${unit}`, [
      base.toFixed(0),
      head.toFixed(0),
      ...[ratio, low, high].map((one) => one.toFixed(3)),
      ...cpu,
    ]);
  }

  print();
  const { steps, before, kept, closed } = rejudging;
  row(`${steps} open steps judged anew`, ["judged", "closed", "ms", "broker ms", "others p50", "others p99"]);
  row("before", ["", "", "", "", ...formatAnswered(before)]);
  row("all kept", formatRejudged(kept));
  row("all closed by a rise of risk", formatRejudged(closed));
  print(`
remembered: the same request again; new: a server that was not asked about before, which the policies look at. engine µs: CPU of
all threads but the one that asks. ratio: above 1 the baseline is better. others: calls of another run, a hundred a second; broker
ms: CPU of the broker, for their calls too.`);
}

/** CPU of both threads: what is remembered costs the engine's thread nothing. */
function costOf({ engineMicros, askerMicros }: DecisionRow): number {
  return engineMicros + askerMicros;
}

function nameOf({ sitePolicies, isNew }: DecisionRow): string {
  const policies = sitePolicies === 0 ? "baseline alone" : `baseline and ${sitePolicies} of a site, 10 of them its`;
  return `${isNew ? "new" : "remembered"}, ${policies}`;
}

function formatRejudged({ judged, closed, wallMs, brokerCpuMs, others }: Rejudged): readonly string[] {
  return [String(judged), String(closed), wallMs.toFixed(0), brokerCpuMs.toFixed(0), ...formatAnswered(others)];
}

function formatAnswered({ p50Ms, p99Ms }: Answered): readonly string[] {
  return [p50Ms.toFixed(1), p99Ms.toFixed(1)];
}
