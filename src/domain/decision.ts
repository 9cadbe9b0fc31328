import type { ErrorCode } from "./errors.ts";
import type { Grant } from "./grant.ts";
import type { RegistrationEntry } from "./registration-entry.ts";
import type { UnixMicros } from "./time.ts";

/**
 * Who was refused, as far as it was known: enough to find the program, and no path. The ledger holds one for a denial,
 * and of several denials in one decision only what is the same in all of them.
 */
export type RefusedCaller = {
  /** Absent over a network. */
  readonly uid?: number;
  /** Base name of the executable's path; absent where the path can't be believed. */
  readonly executable?: string;
  /** SHA-256 of the executable, hexadecimal; absent where it could not be made in time. */
  readonly executableSha256?: string;
  /** Sorted, without those that name the executable; no more than fit into `LIMITS.refusedSelectorsBytesMax`. */
  readonly selectors: readonly string[];
};

/** One recorded allow or deny, with what determined it. */
export type Decision = {
  readonly decisionId: string;
  readonly act: "open" | "issue" | "attest" | "administer";
  readonly effect: "allow" | "deny";
  /** Set on a deny. */
  readonly reason?: ErrorCode;
  /** What the caller was told, on a deny. Absent where a decision stands for denials that were told different things. */
  readonly message?: string;
  /** Whom it was told, on a deny. */
  readonly caller?: RefusedCaller;
  readonly decidedAt: UnixMicros;
  readonly callerEntryId?: string;
  readonly agent?: string;
  readonly runId?: string;
  readonly step?: string;
  readonly attempt?: number;
  readonly stepId?: string;
  readonly requested: Grant;
  readonly granted: Grant;
  readonly refused: Grant;
  readonly determiningPolicies: readonly string[];
  /** SHA-256, hexadecimal, of the policies that were in force. */
  readonly policyDigest: string;
  /** How many equal denials this decision stands for. */
  readonly count: number;
};

/**
 * What a decision or an entitlement was made on. `DecidedOn` is carried along to the ledger, which records nothing
 * unless all the entries in it still stand.
 */
export type DecidedOn = {
  /** Registration entries in force, each with the revision that was looked at. */
  readonly entries: readonly { readonly entryId: string; readonly revision: number }[];
};

/** The `DecidedOn` of a decision that was made on these entries alone. An entry that is named twice counts once. */
export function decidedOn(...entries: readonly Pick<RegistrationEntry, "entryId" | "revision">[]): DecidedOn {
  const byId = new Map(entries.map(({ entryId, revision }) => [entryId, { entryId, revision }]));
  return { entries: [...byId.values()] };
}
