import { type NamedStep, type PrincipalClaim, type StepClaims, stepClaims } from "./jwt-claims.ts";
import { type EcJwk, ecJwkOf } from "./public-key.ts";
import type { SpiffeId } from "./spiffe-id.ts";
import type { UnixSeconds } from "./time.ts";

/** The claims of a WIT-SVID, in the order in which they are written: no `aud`, and no `iss`. Contracts section 2. */
export type WitClaims = {
  readonly sub: SpiffeId;
  readonly iat: UnixSeconds;
  readonly nbf: UnixSeconds;
  readonly exp: UnixSeconds;
  readonly jti: string;
  readonly cnf: { readonly jwk: EcJwk & { readonly alg: "ES256" } };
} & StepClaims;

export type WitFacts = {
  readonly step: NamedStep;
  /** Absent for a step that works for nobody. */
  readonly principal?: PrincipalClaim;
  /** Also `iat`, as in a JWT-SVID. */
  readonly notBefore: UnixSeconds;
  /** Exclusive, as `exp` is. */
  readonly expiresAt: UnixSeconds;
  readonly jti: string;
  /** SubjectPublicKeyInfo, DER, of the P-256 key that the SVID's presenter holds. */
  readonly publicKey: Uint8Array;
};

/**
 * The claims of a WIT-SVID: who the step is, and the key by which the SVID's presenter proves to be the step.
 *
 * @throws BrokerError KEY_REFUSED for any key but P-256
 * @see WIT-SVID section 3
 */
export function witClaims(facts: WitFacts): WitClaims {
  return {
    sub: facts.step.spiffeId,
    iat: facts.notBefore,
    nbf: facts.notBefore,
    exp: facts.expiresAt,
    jti: facts.jti,
    cnf: { jwk: { ...ecJwkOf(facts.publicKey), alg: "ES256" } },
    ...stepClaims(facts.step, facts.principal),
  };
}

/** The protected header of a WIT-SVID. WIT-SVID section 2. */
export function witHeader(authorityId: string): string {
  return JSON.stringify({ alg: "ES256", kid: authorityId, typ: "wit+jwt" });
}
