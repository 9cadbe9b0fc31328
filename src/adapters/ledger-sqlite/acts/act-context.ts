import type { LedgerEvent } from "../../../domain/ledger-event.ts";
import type { Sequenced } from "../../../ports/ledger.ts";
import type { Connection } from "../connection.ts";

/** What an act works with: the tables as the acts before it left them, and the log. */
export type ActContext = {
  readonly db: Connection;
  /** Writes an event with all that follows from it. Returns its sequence. */
  append(event: LedgerEvent): number;
};

export function sequenced(sequence: number): Sequenced {
  return { kind: "sequenced", sequence };
}
