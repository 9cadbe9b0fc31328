import type { Actor } from "../domain/actor.ts";
import type { UnixMicros } from "../domain/time.ts";

/** The acts on whom steps work for. The others are in `ledger-acts.ts`, with the list of all. */

/**
 * Closes every step of a principal with its descendants, as REVOKED, and bars the principal, in one transaction that also
 * works from the reserve when the disk is full. Idempotent. INVALID_FIELD `bar_ahead` for a principal whom no step ever
 * named, unless `barAhead`.
 */
export type OffboardPrincipalAct = {
  readonly act: "offboard-principal";
  readonly principalId: string;
  readonly barAhead: boolean;
  readonly by: Actor;
  readonly now: UnixMicros;
};

/** Lets steps be opened for a principal again. INVALID_FIELD `by` for one who is not barred. */
export type ReadmitPrincipalAct = {
  readonly act: "readmit-principal";
  readonly principalId: string;
  readonly by: Actor;
  readonly now: UnixMicros;
};

/**
 * Closes every step of a principal, as REVOKED, and records that what was sealed of the principal is to be unreadable;
 * whoever performs the act deletes the key after it. A bar stays. Idempotent. INVALID_FIELD `by` for one whom no event
 * ever named.
 */
export type ErasePrincipalAct = {
  readonly act: "erase-principal";
  readonly principalId: string;
  readonly by: Actor;
  readonly now: UnixMicros;
};
