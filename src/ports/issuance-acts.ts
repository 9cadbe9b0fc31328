import type { DecidedOn } from "../domain/decision.ts";
import type { IssuanceRecord } from "../domain/issuance.ts";
import type { Signing } from "../domain/stages.ts";
import type { UnixMicros } from "../domain/time.ts";

/** The acts on what is issued. The others are in `ledger-acts.ts`, with the list of all. */

/**
 * Records drafts before they are signed; answered item by item, in order.
 *
 * Guards of an item with a step: the step is open (STEP_CLOSED, STEP_NOT_FOUND), its expiry is ahead of `now` and not
 * before the credential's (STEP_EXPIRING), `decidedOn` still stands (NOT_ENTITLED), and the executable is the pinned
 * one (EXECUTOR_GONE); and where policies are in force, the step was judged since the risk around it rose last
 * (DECISION_OUTDATED). Guard of an infrastructure item: `decidedOn` alone, which has to name the item's entry. Guard of
 * every item: its authority is not tainted, removed or yet to be activated (AUTHORITY_UNAVAILABLE).
 *
 * A ledger that was opened with a `CommitSigner` has it sign each recorded item that comes `toBeSigned`, after the commit
 * that has the row and before the act is answered.
 */
export type RecordIssuancesAct = {
  readonly act: "record-issuances";
  readonly items: readonly RecordIssuanceItem[];
  readonly now: UnixMicros;
};

export type RecordIssuanceItem = {
  readonly record: IssuanceRecord;
  readonly decidedOn: DecidedOn;
  /** The executable of a process executor. */
  readonly executable?: string;
  /** What is to be signed once it is recorded, where the ledger's thread signs. */
  readonly toBeSigned?: Uint8Array;
};

/** `signing` is there where the ledger signs what it recorded, and was given it to sign. */
export type RecordedIssuance = { readonly kind: "sequenced"; readonly sequence: number; readonly signing?: Signing };

/** Idempotent. STEP_NOT_FOUND, thrown, when no issuance has this id. */
export type MarkUndeliveredAct = {
  readonly act: "mark-undelivered";
  readonly issuanceId: string;
  readonly now: UnixMicros;
};
