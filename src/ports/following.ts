import type { Denial } from "../domain/errors.ts";
import type { LedgerEvent } from "../domain/ledger-event.ts";

/** An event in its place in the ledger. Sequences are dense and begin at 1. */
export type Committed = { readonly sequence: number; readonly event: LedgerEvent };

/**
 * Keeps something beside the ledger. A follower is given every event after the position it began at, in ledger order,
 * none left out. An event counts as taken once the call has returned, or its promise has resolved; an event at which a
 * follower threw is given to that follower again, so taking an event has to be all or nothing.
 */
export type Follower = {
  /** For operators: what is kept, e.g. `steps`. */
  readonly name: string;
  /** Called when what is kept may be relied on again: listeners told of a change meanwhile could not read it. */
  recovered?(): void;
} & (
  | { take(committed: Committed): void }
  /** Several events at once, for what is worth doing once for many of them. */
  | { takeAll(committed: readonly Committed[]): Promise<void> }
);

/** A follower under way. */
export type Following = {
  /** Sequence up to which the follower has taken everything. */
  position(): number;
  /**
   * Resolves to `true` once the follower has taken this sequence, or to `false` after two seconds; from then on the
   * follower counts as failed until it has taken the sequence.
   */
  reached(sequence: number): Promise<boolean>;
  /** Why what the follower keeps must not be relied on: the follower failed, and has not caught up since. */
  refusal(): Denial | undefined;
  end(): void;
};

export type FollowerStatus = {
  readonly name: string;
  readonly position: number;
  /** In words for the operator; absent of a follower that is well. */
  readonly failure?: string;
};

/** What a projection begins with: what the ledger's tables hold, and the last sequence that the tables had taken in. */
export type AsOf<Value> = { readonly value: Value; readonly through: number };

/**
 * Waits until what was recorded is in force beside the ledger too: the followers that answers depend on have taken it,
 * or count as failed and serve nothing. Resolves within two seconds; to stop waiting is safe, for the ledger's guards
 * hold in any case.
 */
export type InForce = (sequence: number) => Promise<void>;
