import type { BrokerProcess } from "./broker-process.ts";
import { nextEventLoopDelay } from "./event-loop-delay-file.ts";
import type { GeneratorProcess } from "./generator.ts";
import type { Asked, Loaded } from "./measurements.ts";
import { mean } from "./paired-ratio.ts";
import { pooled } from "./pooled.ts";

/** A load, and what was seen of the broker from within meanwhile, its warm-up included. */
export type Watched = Loaded & {
  /** Absent for a broker that does not tell. */
  readonly eventsACommit?: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
};

/** Measures a load on a broker that was started to watch its event loop. */
export async function measureWatched(
  load: GeneratorProcess<"load">,
  broker: BrokerProcess,
  asked: Asked["load"],
): Promise<Watched> {
  const before = await ledgerCounts(broker);
  await nextEventLoopDelay(broker.pid(), broker.delayFile);
  const loaded = await load.measure(asked);
  const { p99Ms, maxMs } = await nextEventLoopDelay(broker.pid(), broker.delayFile);
  const after = await ledgerCounts(broker);
  const eventsACommit = (after.events - before.events) / (after.commits - before.commits);
  return {
    ...loaded,
    loopP99Ms: p99Ms,
    loopMaxMs: maxMs,
    ...(Number.isFinite(eventsACommit) ? { eventsACommit } : {}),
  };
}

/** NaN for what the broker does not count. */
export async function ledgerCounts({ metricsUrl }: BrokerProcess) {
  const text = await (await fetch(metricsUrl)).text();
  const counted = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
  return { events: counted("stint_ledger_sequence"), commits: counted("stint_ledger_commits_total") };
}

/** Where the broker's CPU went in a load, and how it was meanwhile. */
export type Inside = {
  readonly what: string;
  /** For one credential, by the names of threads. */
  readonly threadMicros: Readonly<Record<string, number>>;
  readonly eventsACommit: number | undefined;
  readonly loopP99Ms: number;
  /** In all slices. */
  readonly loopMaxMs: number;
};

/** @param slices - all of one broker under one load. */
export function insideOf(what: string, slices: readonly Watched[]): Inside {
  const { count, cpuSeconds } = pooled(slices);
  const groups = slices.flatMap(({ eventsACommit }) => eventsACommit ?? []);
  return {
    what,
    threadMicros: Object.fromEntries(
      Object.entries(cpuSeconds.threads ?? {}).map(([name, seconds]) => [name, (seconds / count) * 1_000_000]),
    ),
    eventsACommit: groups.length === 0 ? undefined : mean(groups),
    loopP99Ms: mean(slices.map(({ loopP99Ms }) => loopP99Ms)),
    loopMaxMs: Math.max(...slices.map(({ loopMaxMs }) => loopMaxMs)),
  };
}
