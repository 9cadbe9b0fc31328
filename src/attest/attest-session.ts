import { BrokerError } from "../domain/errors.ts";
import { remoteProcess } from "../domain/process.ts";
import { isOfKind } from "../domain/registration-entry.ts";
import type { Selector } from "../domain/selector.ts";
import type { Attested } from "../domain/stages.ts";
import type { EntryDirectory } from "../ports/directories.ts";
import { attestedAs } from "./attest.ts";

/** What was proved of somebody who signed in to the console, when they did. */
export type SignedIn = {
  readonly selectors: ReadonlySet<Selector>;
  /** Of a link that was asked for over the operator socket; else `NO_UID`. */
  readonly uid: number;
};

/**
 * Makes a caller of somebody who signed in: by the entries as they are now, so that a session ends with what it was opened by. Entries
 * of operators count, and no others: nobody opens steps through the console.
 *
 * @throws BrokerError NO_IDENTITY when no operator's entry in force matches any more
 */
export function attestSession(who: SignedIn, entries: Pick<EntryDirectory, "matching">): Attested {
  const { selectors, uid } = who;
  const operators = operatorsOf(who, entries);
  const [first] = operators;
  if (first === undefined) throw new BrokerError("NO_IDENTITY", "no operator's entry matches whoever signed in");
  return attestedAs({
    ...{ selectors, uid, sharesPids: false, entries: operators },
    process: remoteProcess(first.entryId, undefined),
  });
}

/** The operators that somebody who signed in is, by the entries as they are now. */
export function operatorsOf({ selectors }: SignedIn, entries: Pick<EntryDirectory, "matching">) {
  return entries.matching(selectors).filter((entry) => isOfKind(entry, "operator"));
}
