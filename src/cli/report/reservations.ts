import { instantText, type Period } from "./figure-command.ts";

/** What of a ledger bears on how far its figures reach. */
export type LedgerFacts = {
  readonly period: Period;
  /** When its first event was recorded, in milliseconds since 1970. */
  readonly beginsAt: number | undefined;
  readonly prunedEvents: number;
  /** Restored ledgers that were accepted in the period. */
  readonly restored: number;
  readonly suspendedBecause: readonly string[];
};

/** What a reader has to know before any figure, in sentences; none where the ledger has all of the period. */
export function reservationsOf(facts: LedgerFacts): readonly string[] {
  const { period, beginsAt, prunedEvents, restored, suspendedBecause } = facts;
  return [
    ...(beginsAt === undefined || beginsAt > period.since
      ? [
          `The ledger begins at ${beginsAt === undefined ? "no time: it is empty" : instantText(beginsAt)}, which is after the period's beginning: nothing is known of what was before.`,
        ]
      : []),
    ...(restored > 0
      ? [
          `A restored ledger was accepted ${restored === 1 ? "once" : `${restored} times`} in the period. What had been recorded between the copy that was put back and its acceptance is in no figure.`,
        ]
      : []),
    ...(prunedEvents > 0
      ? [
          `What ${prunedEvents} events of this ledger said is deleted by the terms of retention. Figures count them as before, by the tables that were made of them; as an example none of them can be shown.`,
        ]
      : []),
    ...suspendedBecause.map((why) => `When this report was made the broker issued nothing: ${why}.`),
  ];
}
