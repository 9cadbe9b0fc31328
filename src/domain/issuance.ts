import type { Confirmation } from "./confirmation.ts";
import type { Delegation } from "./delegation.ts";
import type { Grant } from "./grant.ts";
import type { SpiffeId } from "./spiffe-id.ts";
import type { TokenStatus } from "./status-list.ts";
import type { UnixMicros, UnixSeconds } from "./time.ts";

/** The kinds of credential. A transaction token is no SVID: it says what a step may do, and identifies nobody by itself. */
export type SvidKind = "x509-svid" | "jwt-svid" | "wit-svid" | "txn-token";

/** What a credential is bound to: a step; or, for the broker itself, runtimes, verifiers and operators, an entry. */
export type Subject =
  | { readonly kind: "step"; readonly stepId: string }
  | { readonly kind: "infrastructure"; readonly entryId: string };

/** One credential as the ledger records it, before it is signed. Never holds the credential. */
export type IssuanceRecord = {
  readonly issuanceId: string;
  readonly kind: SvidKind;
  readonly subject: Subject;
  readonly spiffeId: SpiffeId;
  readonly authorityId: string;
  /** Lower-case hexadecimal without leading zero bytes; X.509-SVIDs only. */
  readonly serialNumber?: string;
  /** All kinds but X.509-SVIDs. */
  readonly jti?: string;
  /** For whom the credential is: of a transaction token the one location that it names. */
  readonly audiences: readonly string[];
  readonly grant: Grant;
  readonly notBefore: UnixSeconds;
  /** Exclusive. */
  readonly expiresAt: UnixSeconds;
  /** SHA-256 of the bytes to be signed, hexadecimal. */
  readonly toBeSignedSha256: string;
  /** SHA-256 of the subject's SubjectPublicKeyInfo, hexadecimal; where the credential carries a key. */
  readonly publicKeySha256?: string;
  /** What a JWT-SVID is bound to; absent where it is bound to nothing. */
  readonly confirmation?: Confirmation;
  /** Set for a delegation token, which is a JWT-SVID for the broker alone; its grant is the most that a child may have. */
  readonly delegation?: Delegation;
  /** Where the status list has a JWT-SVID that says so. */
  readonly status?: TokenStatus;
  readonly issuedAt: UnixMicros;
};
