import type { RevocationReason } from "../domain/revocation.ts";
import type { TokenStatus } from "../domain/status-list.ts";
import type { UnixMicros, UnixSeconds } from "../domain/time.ts";
import type { CredentialName } from "./ledger-acts.ts";
import type { IssuanceRow } from "./ledger-reads.ts";

/** An X.509-SVID that was taken back, by itself or with its step. */
export type RevokedX509Svid = {
  readonly authorityId: string;
  readonly serialNumber: string;
  readonly expiresAt: UnixSeconds;
  readonly revokedAt: UnixMicros;
  readonly reason: RevocationReason;
};

/** A status list, and when the last of its tokens has expired and may be forgotten. */
export type StatusListRow = { readonly list: string; readonly endsAt: UnixSeconds };

/** What became of credentials: for CRLs, and for callers that ask about one credential. */
export type CredentialReads = {
  /**
   * The X.509-SVIDs that were taken back before they expired and expire after an instant, in parts. An SVID that was
   * taken back before the first part is read is in at least one part, and may be in two; an SVID that is taken back
   * meanwhile may be in none.
   */
  revokedX509Svids(expiringAfter: UnixSeconds): AsyncIterable<readonly RevokedX509Svid[]>;
  /** The status lists that have a token which may still be accepted. */
  statusLists(now: UnixSeconds): Promise<readonly StatusListRow[]>;
  /** Places of the tokens that are denied and may not be forgotten at `now`, in parts; as of `FeedReads.inForce`. */
  revokedStatuses(now: UnixSeconds): AsyncIterable<readonly TokenStatus[]>;
  /** Places of the tokens that the events with a sequence in (after, through] took back, in parts. */
  statusesRevokedBetween(after: number, through: number): AsyncIterable<readonly TokenStatus[]>;
  /** The issuance of this credential, with what became of it and of its step. */
  issuance(credential: CredentialName): Promise<IssuanceRow | undefined>;
};
