import type { Actor } from "../domain/actor.ts";
import type { LegalHold } from "../domain/legal-hold.ts";
import type { Cutoffs } from "../domain/retention.ts";
import type { SnapshotTaken } from "../domain/retention-event.ts";
import type { UnixMicros } from "../domain/time.ts";

/** The acts on the ledger's own length. The others are in `ledger-acts.ts`, with the list of all. */

/** Records that a snapshot is kept whose chunks were written before. LEDGER_UNAVAILABLE for one that is not newer than the one there is. */
export type RecordSnapshotAct = {
  readonly act: "record-snapshot";
  readonly snapshot: Pick<SnapshotTaken, "through" | "chunks" | "bytes" | "rootHash" | "schema">;
  readonly now: UnixMicros;
};

/**
 * Deletes what events say that are over and that nobody holds, of the next `limit` events after `after`, none of them newer
 * than the snapshot. Proofs of them still hold.
 */
export type PruneEventsAct = {
  readonly act: "prune-events";
  readonly after: number;
  /** 1 to `PRUNED_MAX`. */
  readonly limit: number;
  readonly cutoffs: Cutoffs;
  readonly now: UnixMicros;
};

/** So many take a few milliseconds, which is what whoever waits for the ledger waits longer. */
export const PRUNED_MAX = 250;

export type PruneEventsResult = {
  /** Of the event that says so; 0: nothing was pruned. */
  readonly sequence: number;
  readonly pruned: number;
  /** Where to go on; absent: there is nothing more. */
  readonly next?: number;
};

/** Holds a run, an agent or a principal. Idempotent by scope and value: answers with the hold that stands. */
export type PlaceHoldAct = {
  readonly act: "place-hold";
  readonly hold: LegalHold;
  readonly reason: string;
  readonly by: Actor;
  readonly now: UnixMicros;
};

export type PlaceHoldResult = { readonly sequence: number; readonly holdId: string };

/** INVALID_FIELD `hold_id` where there is none. */
export type LiftHoldAct = {
  readonly act: "lift-hold";
  readonly holdId: string;
  readonly reason: string;
  readonly by: Actor;
  readonly now: UnixMicros;
};
