import type { Authority } from "../domain/authority.ts";
import type { Confirmation } from "../domain/confirmation.ts";
import type { Delegation } from "../domain/delegation.ts";
import type { Grant } from "../domain/grant.ts";
import type { SvidKind } from "../domain/issuance.ts";
import type { PrincipalClaim } from "../domain/jwt-claims.ts";
import type { SpiffeId } from "../domain/spiffe-id.ts";
import type { TokenStatus } from "../domain/status-list.ts";
import type { Step } from "../domain/step.ts";
import type { UnixSeconds } from "../domain/time.ts";

/** All that a credential says. */
export type SvidFacts = {
  readonly spiffeId: SpiffeId;
  /** Also what a token says of when it was issued. */
  readonly notBefore: UnixSeconds;
  /** Exclusive. */
  readonly expiresAt: UnixSeconds;
  readonly authority: Authority;
  /** Lower-case hexadecimal without leading zero bytes; X.509 only. */
  readonly serialNumber?: string;
  readonly jti?: string;
  /** SubjectPublicKeyInfo, DER; X.509- and WIT-SVIDs. */
  readonly publicKey?: Uint8Array;
  readonly confirmation?: Confirmation;
  readonly delegation?: Delegation;
  readonly status?: TokenStatus;
  readonly audiences: readonly string[];
  readonly grant: Grant;
  /** Absent for infrastructure. */
  readonly step?: Step;
  /** Whom the step works for; tokens say it, certificates do not. */
  readonly principal?: PrincipalClaim;
};

/**
 * One credential format. `assemble` adds the signature and changes nothing of what was signed, so the digest of
 * `toBeSigned` finds the credential's row for ever.
 */
export type SvidFormat = {
  readonly kind: SvidKind;
  toBeSigned(facts: SvidFacts): Uint8Array;
  /** @param signature - ECDSA, DER-encoded, as a `Signer` gives it. */
  assemble(toBeSigned: Uint8Array, signature: Uint8Array): Uint8Array;
};
