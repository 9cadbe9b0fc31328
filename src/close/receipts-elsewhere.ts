import type { ReceiptReport, ReportedVerifier } from "../domain/replica-report.ts";
import { addMicros, type UnixMicros } from "../domain/time.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Replicas } from "../ports/replicas.ts";

/** Where verifiers stand that watch at the other brokers which share the ledger, by what these say. */
export type ReceiptsElsewhere = {
  /** Whether there are other brokers at all. */
  readonly isShared: boolean;
  /**
   * Whether a process of a verifier may be left elsewhere that accepts what was denied by a sequence, and until when.
   *
   * @param deniedAt - when that was; a process that gave a sign of life since has applied it.
   * @returns `undefined`: none is left.
   */
  left(
    verifier: { readonly entryId: string; readonly maxStalenessSeconds: number },
    sequence: number,
    deniedAt: UnixMicros,
  ): { readonly until: UnixMicros; readonly isConnected: boolean } | undefined;
  /** When it was known that all of a verifier's processes elsewhere had applied a sequence; `undefined`: there are none, or not all have. */
  appliedAt(entryId: string, sequence: number): UnixMicros | undefined;
  /** Whether a verifier is on the feed elsewhere. */
  isHeard(entryId: string): boolean;
  onChange(listener: () => void): Cancel;
};

/** The ledger is shared with nobody. */
export const NOWHERE_ELSE: ReceiptsElsewhere = {
  isShared: false,
  left: () => undefined,
  appliedAt: () => undefined,
  isHeard: () => false,
  onChange: () => () => undefined,
};

/** `lapsedAt`: since when its lease is known to have lapsed. */
type Other = {
  readonly receipts: ReceiptReport | undefined;
  readonly lapsedAt: UnixMicros | undefined;
  readonly verifiers: ReadonlyMap<string, ReportedVerifier & { readonly since: UnixMicros }>;
};

/**
 * Whoever may still accept what was denied gave a broker a sign of life before. That broker says so, for as long as it may be: so
 * when every other has said where its verifiers stand, after it had told them, nobody is left that is not named. Of a broker that says
 * nothing, or has started since, only time is known.
 */
export function receiptsElsewhere({
  replicas,
  clock,
}: {
  readonly replicas: Pick<Replicas, "own" | "all" | "onReport">;
  readonly clock: Pick<Clock, "now">;
}): ReceiptsElsewhere {
  let others: ReadonlyMap<string, Other> = new Map();

  function take(): void {
    const now = clock.now();
    const told = replicas.all().filter(({ name }) => name !== replicas.own);
    others = new Map(told.map((one) => [one.name, otherOf(one, others.get(one.name), now)]));
  }

  replicas.onReport(take);
  take();

  return {
    isShared: true,
    left({ entryId, maxStalenessSeconds }, sequence, deniedAt) {
      const staleness = maxStalenessSeconds * 1_000_000;
      let until = 0;
      let isConnected = false;
      for (const { receipts, lapsedAt, verifiers } of others.values()) {
        if (lapsedAt === undefined && hasApplied(receipts, verifiers.get(entryId), entryId, sequence)) continue;
        until = Math.max(until, addMicros(Math.min(deniedAt, lapsedAt ?? deniedAt) as UnixMicros, staleness));
        const told = verifiers.get(entryId);
        isConnected ||= lapsedAt === undefined && told?.isConnected === true && told.applied < sequence;
      }
      return until > clock.now() ? { until: until as UnixMicros, isConnected } : undefined;
    },
    appliedAt(entryId, sequence) {
      const told = [...others.values()].flatMap(({ verifiers }) => verifiers.get(entryId) ?? []);
      if (told.length === 0 || told.some(({ applied }) => applied < sequence)) return undefined;
      return Math.max(...told.map(({ since }) => since)) as UnixMicros;
    },
    isHeard: (entryId) => [...others.values()].some(({ verifiers }) => verifiers.has(entryId)),
    onChange: replicas.onReport,
  };
}

function otherOf(
  { isAlive, report: { receipts } }: ReturnType<Replicas["all"]>[number],
  before: Other | undefined,
  now: UnixMicros,
): Other {
  const verifiers = (receipts?.verifiers ?? []).map((one) => {
    const known = before?.verifiers.get(one.entryId);
    return [one.entryId, { ...one, since: known?.applied === one.applied ? known.since : now }] as const;
  });
  return { receipts, lapsedAt: isAlive ? undefined : (before?.lapsedAt ?? now), verifiers: new Map(verifiers) };
}

/** @returns whether no process of a verifier that a broker has, or may have, is behind a sequence. */
function hasApplied(
  receipts: ReceiptReport | undefined,
  told: ReportedVerifier | undefined,
  entryId: string,
  sequence: number,
): boolean {
  if (receipts === undefined || receipts.through < sequence || receipts.unknown.includes(entryId)) return false;
  return told === undefined || told.applied >= sequence;
}
