import type { Actor } from "./actor.ts";
import type { LegalHold } from "./legal-hold.ts";
import type { UnixMicros } from "./time.ts";

/** What the ledger says of its own length. The other events are in `ledger-event.ts`, with the list of all. */

type Event<Type extends string> = { readonly type: Type; readonly v: 1; readonly at: UnixMicros };

/**
 * All tables as the events through `through` leave them are kept beside the log, in chunks: from here on a rebuild begins with
 * them, and what the events up to there say may be pruned.
 */
export type SnapshotTaken = Event<"snapshot.taken"> & {
  readonly through: number;
  /** How many chunks there are, of at most 65,535 bytes each. */
  readonly chunks: number;
  readonly bytes: number;
  /** Root of the Merkle tree whose leaves are the chunks, hexadecimal. */
  readonly rootHash: string;
  /** The newest migration that the tables had seen. */
  readonly schema: number;
};

/**
 * What these events said is deleted with this one. Their places, types, instants and leaf hashes stay, so that every proof
 * that was given still holds.
 */
export type EventsPruned = Event<"events.pruned"> & {
  /** First and last sequence of each range, ascending. */
  readonly ranges: readonly (readonly [number, number])[];
  readonly count: number;
  /** SHA-256, hexadecimal, of a line for each event: sequence, instant and type, as they stay. */
  readonly digest: string;
  readonly by: Actor;
};

/** Nothing that concerns this run, agent or principal is pruned until the hold is lifted. */
export type HoldPlaced = Event<"hold.placed"> & {
  readonly hold: LegalHold;
  readonly reason: string;
  readonly by: Actor;
};

export type HoldLifted = Event<"hold.lifted"> & {
  readonly holdId: string;
  readonly reason: string;
  readonly by: Actor;
};
