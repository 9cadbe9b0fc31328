import type { LedgerEvent } from "../../domain/ledger-event.ts";
import type { Sequenced, Written } from "../../ports/ledger-acts.ts";
import { type Ruling, recorded } from "../rule.ts";

const NOTHING_WRITTEN: Written = { firstSequence: 0, sequence: 0 };

export function sequenced(sequence: number): Sequenced {
  return { kind: "sequenced", sequence };
}

/** Events, one at least, answered with the sequence of the last. */
export function recordedAll(events: readonly LedgerEvent[]): Ruling<Sequenced> {
  return recorded(events, (first) => sequenced(first + events.length - 1));
}

/** Where so many events of one act came to stand. */
export function writtenFrom(firstSequence: number, count: number): Written {
  return count === 0 ? NOTHING_WRITTEN : { firstSequence, sequence: firstSequence + count - 1 };
}
