import type { LedgerEvent } from "../../domain/ledger-event.ts";
import type { Sequenced, Written } from "../../ports/ledger-acts.ts";
import { type Ruling, recorded } from "../rule.ts";

const NOTHING_WRITTEN: Written = { firstSequence: 0, sequence: 0 };

export function sequenced(sequence: number): Sequenced {
  return { kind: "sequenced", sequence };
}

/** Records events, at least one, and answers with the sequence of the last. */
export function recordedAll(events: readonly LedgerEvent[]): Ruling<Sequenced> {
  return recorded(events, (first) => sequenced(first + events.length - 1));
}

/** The first and last sequence of so many events of one act. */
export function writtenFrom(firstSequence: number, count: number): Written {
  return count === 0 ? NOTHING_WRITTEN : { firstSequence, sequence: firstSequence + count - 1 };
}
