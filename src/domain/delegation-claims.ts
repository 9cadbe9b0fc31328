import type { Delegation } from "./delegation.ts";
import { type JwtClaims, type JwtFacts, stepClaims } from "./jwt-claims.ts";
import type { SpiffeId } from "./spiffe-id.ts";

/** The claims of a delegation token, in the order in which they are written: a JWT-SVID without a scope. */
export type DelegationClaims = Omit<JwtClaims, "scope" | "cnf"> & {
  /** The one runtime that may open children with the token. RFC 8693 section 4.4. */
  readonly may_act: { readonly sub: SpiffeId };
  /** How many children may be opened with the token. The broker counts them in its ledger. */
  readonly max_uses: number;
};

export type DelegationFacts = Omit<JwtFacts, "confirmation"> & { readonly delegation: Delegation };

/**
 * The claims of a delegation token. `authorization_details` is the most that a child may be granted, at all of its
 * locations at once: only the broker reads it, so there is no audience to narrow it to.
 *
 * @param issuer - the broker's https issuer URL.
 * @see RFC 8693 section 4.4, RFC 9396 section 9.1, JWT-SVID section 3; ADR 20
 */
export function delegationClaims(issuer: string, facts: DelegationFacts): DelegationClaims {
  const { step, grant, delegation } = facts;
  // Only the broker reads it, which knows whom the step works for.
  const { client_id, txn, ...ofStep } = stepClaims(step, undefined);
  return {
    iss: issuer,
    sub: step.spiffeId,
    aud: facts.audiences,
    iat: facts.notBefore,
    nbf: facts.notBefore,
    exp: facts.expiresAt,
    jti: facts.jti,
    client_id,
    txn,
    ...(grant.length === 0 ? {} : { authorization_details: grant }),
    may_act: { sub: delegation.mayAct },
    max_uses: delegation.usesMax,
    ...ofStep,
  };
}
