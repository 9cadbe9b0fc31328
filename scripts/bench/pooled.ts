import type { Loaded } from "./measurements.ts";

/**
 * Slices as one: on a busy machine a slice may hold a single act, which a mean of slices would count like hundreds, or none, of which
 * nothing can be told. Times are means of the slices' own, weighted by what was done in each.
 */
export function pooled(slices: readonly Loaded[]): Loaded {
  const sum = (of: (slice: Loaded) => number) => slices.reduce((all, slice) => all + of(slice), 0);
  const count = sum((slice) => slice.count);
  const time = (of: (slice: Loaded) => number) =>
    sum((slice) => (slice.count === 0 ? 0 : of(slice) * slice.count)) / count;
  return {
    count,
    wallSeconds: sum(({ wallSeconds }) => wallSeconds),
    p50Ms: time(({ p50Ms }) => p50Ms),
    p99Ms: time(({ p99Ms }) => p99Ms),
    maxMs: Math.max(...slices.map(({ maxMs }) => maxMs)),
    failures: added(slices.map(({ failures }) => failures)),
    cpuSeconds: {
      broker: sum(({ cpuSeconds }) => cpuSeconds.broker),
      threads: added(slices.map(({ cpuSeconds }) => cpuSeconds.threads ?? {})),
      generator: sum(({ cpuSeconds }) => cpuSeconds.generator),
      others: sum(({ cpuSeconds }) => cpuSeconds.others),
    },
  };
}

/** What has the same name in several of them, added up. */
function added(all: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, number>> {
  const sums = new Map<string, number>();
  for (const one of all) {
    for (const [name, value] of Object.entries(one)) sums.set(name, (sums.get(name) ?? 0) + value);
  }
  return Object.fromEntries(sums);
}
