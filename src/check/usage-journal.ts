import { LIMITS } from "../domain/limits.ts";
import type { Usage } from "../domain/usage.ts";
import type { Clock } from "../ports/clock.ts";
import type { Ledger } from "../ports/ledger.ts";

export type UsageReport = { readonly reportId: string; readonly usages: readonly Usage[]; readonly gap: number };

/** Writes what verifiers report of calls into the ledger. */
export type UsageJournal = {
  /**
   * Resolves once the report is on record. A report that came before counts once.
   *
   * @throws BrokerError LEDGER_UNAVAILABLE: nothing of the report is on record
   */
  add(entryId: string, report: UsageReport): Promise<void>;
};

/** At most one event a second of each verifier, however many processes it has and calls they serve. */
const INTERVAL_MS = 1_000;
/** Reports of one verifier that are known again: those that its processes could still be waiting for. */
const REPORTS_KNOWN_MAX = 256;

type Pending = {
  readonly usages: Map<string, Usage>;
  gap: number;
  readonly recorded: PromiseWithResolvers<void>;
  /** Whether a timer will write it. */
  isDue: boolean;
};

type OfEntry = {
  pending: Pending;
  writtenAtMs: number;
  /** By their id; oldest first. */
  readonly reports: Map<string, Promise<void>>;
};

export function createUsageJournal(ports: {
  readonly ledger: Pick<Ledger, "perform">;
  readonly clock: Clock;
}): UsageJournal {
  const { ledger, clock } = ports;
  const entries = new Map<string, OfEntry>();

  async function write(entryId: string, of: OfEntry): Promise<void> {
    const { pending } = of;
    of.pending = nothingPending();
    of.writtenAtMs = clock.monotonicMs();
    const usages = [...pending.usages.values()];
    try {
      await ledger.perform({ act: "record-usage", entryId, usages, gap: pending.gap, now: clock.now() });
      pending.recorded.resolve();
    } catch (thrown) {
      pending.recorded.reject(thrown);
    }
  }

  function schedule(entryId: string, of: OfEntry): void {
    if (of.pending.isDue) return;
    of.pending.isDue = true;
    const waitMs = Math.max(0, of.writtenAtMs + INTERVAL_MS - clock.monotonicMs());
    clock.schedule(waitMs, () => void write(entryId, of));
  }

  return {
    add(entryId, { reportId, usages, gap }) {
      const of = entries.get(entryId) ?? { pending: nothingPending(), writtenAtMs: -INTERVAL_MS, reports: new Map() };
      entries.set(entryId, of);
      const known = of.reports.get(reportId);
      if (known !== undefined) return known;
      const { pending } = of;
      pending.gap += gap;
      for (const usage of usages) merge(pending, usage);
      const recorded = pending.recorded.promise;
      remember(of.reports, reportId, recorded);
      schedule(entryId, of);
      return recorded;
    },
  };
}

function nothingPending(): Pending {
  return { usages: new Map(), gap: 0, recorded: Promise.withResolvers(), isDue: false };
}

/** What one event does not hold is counted, and no more is known of it. */
function merge(pending: Pending, usage: Usage): void {
  const key = keyOf(usage);
  const before = pending.usages.get(key);
  if (before === undefined && pending.usages.size >= LIMITS.usagesPerEventMax) pending.gap += usage.calls;
  else pending.usages.set(key, { ...usage, calls: usage.calls + (before?.calls ?? 0) });
}

function keyOf({ stepId, tool, action, outcome }: Usage): string {
  return `${stepId} ${tool} ${action} ${outcome}`;
}

/** A report that could not be recorded is forgotten, so that it may be sent again. */
function remember(reports: Map<string, Promise<void>>, reportId: string, recorded: Promise<void>): void {
  reports.set(reportId, recorded);
  recorded.catch(() => reports.delete(reportId));
  const [oldest] = reports.keys();
  if (reports.size > REPORTS_KNOWN_MAX && oldest !== undefined) reports.delete(oldest);
}
