import type { LegalHold } from "../domain/legal-hold.ts";
import type { Cutoffs, RetentionClass } from "../domain/retention.ts";
import type { UnixMicros } from "../domain/time.ts";

/** The ledger's own length. All throw BrokerError LEDGER_UNAVAILABLE when the ledger can't be read or written. */
export type LedgerRetention = {
  /**
   * Verifies the whole ledger, and keeps a snapshot of all that follows from its events. Takes about as long as a verification,
   * of which no more than one is under way, and keeps nobody waiting meanwhile.
   */
  takeSnapshot(): Promise<TakenSnapshot>;
  /**
   * Prunes what is over since before the cutoffs, held by nobody and not newer than the newest snapshot: part by part, so that
   * whoever records something waits for one part at most.
   *
   * @returns how many events.
   */
  prune(cutoffs: Cutoffs): Promise<number>;
  /** What a pruning would find at most among the events after `after`: it does not look at what is alive or held. */
  due(cutoffs: Cutoffs, after: number): Promise<readonly DueClass[]>;
  standing(): Promise<RetentionStanding>;
};

export type TakenSnapshot =
  | { readonly kind: "taken"; readonly through: number; readonly chunks: number; readonly bytes: number }
  /** Nothing was recorded since the last. */
  | { readonly kind: "as-new" }
  | { readonly kind: "damaged"; readonly reason: string };

export type DueClass = { readonly class: RetentionClass; readonly events: number; readonly bytes: number };

export type RetentionStanding = {
  /** Whether the ledger was begun by a version that prunes: one that is older is pruned only where the configuration says so. */
  readonly isNew: boolean;
  readonly snapshot?: { readonly through: number; readonly bytes: number };
  readonly prunedEvents: number;
  readonly holds: readonly StandingHold[];
};

export type StandingHold = LegalHold & { readonly reason: string; readonly placedAt: UnixMicros };
