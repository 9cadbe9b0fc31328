import { type Grant, narrowTo, scopeOf } from "./grant.ts";
import { type NamedStep, type PrincipalClaim, type StepClaims, stepClaims } from "./jwt-claims.ts";
import { type SpiffeId, type TrustDomain, trustDomainOf } from "./spiffe-id.ts";
import type { UnixSeconds } from "./time.ts";

/** The claims of a transaction token, in the order in which they are written. */
export type TxnClaims = {
  readonly iss: string;
  /** The trust domain and nothing else: the token is for no server by itself. */
  readonly aud: TrustDomain;
  readonly iat: UnixSeconds;
  readonly exp: UnixSeconds;
  readonly jti: string;
  readonly txn: string;
  /** The agent's stable SPIFFE ID. */
  readonly sub: SpiffeId;
  readonly scope: string;
  /** The step's SPIFFE ID, as the WIT-SVID has it by which the token's presenter proves to be the step. */
  readonly req_wl: SpiffeId;
  readonly tctx: TransactionContext;
};

/** What does not change while the transaction lasts: which step it is, and what the step may do where. */
export type TransactionContext = {
  readonly location: string;
  readonly authorization_details: Grant;
} & Omit<StepClaims, "client_id" | "txn">;

export type TxnFacts = {
  readonly step: NamedStep;
  /** Absent for a step that works for nobody. */
  readonly principal?: PrincipalClaim;
  readonly location: string;
  /** The grant for the token, before `txnClaims` narrows it to the location. */
  readonly grant: Grant;
  readonly issuedAt: UnixSeconds;
  /** Exclusive, as `exp` is. */
  readonly expiresAt: UnixSeconds;
  readonly jti: string;
};

/** A transaction token must have a scope; this one is for a grant that names no tool, since it says `*`. */
const SCOPE_OF_ANY_TOOL = "mcp:tool";

/**
 * The claims of a transaction token: what a step may do at one location. There is no `rctx`: what the broker saw of the
 * step's process is for its ledger, and not for servers.
 *
 * @param issuer - the broker's https issuer URL.
 * @see draft-ietf-oauth-transaction-tokens, section Txn-Token Claims; ADR 14
 */
export function txnClaims(issuer: string, { step, location, ...facts }: TxnFacts): TxnClaims {
  const { client_id: agent, txn, ...ofStep } = stepClaims(step, facts.principal);
  const granted = narrowTo(facts.grant, location);
  const scope = scopeOf(granted);
  return {
    iss: issuer,
    aud: trustDomainOf(step.spiffeId),
    iat: facts.issuedAt,
    exp: facts.expiresAt,
    jti: facts.jti,
    txn,
    sub: agent,
    scope: scope === "" ? SCOPE_OF_ANY_TOOL : scope,
    req_wl: step.spiffeId,
    tctx: { location, authorization_details: granted, ...ofStep },
  };
}

/** The protected header of a transaction token. Its `typ` is none that a JWT-SVID may have. */
export function txnHeader(authorityId: string): string {
  return JSON.stringify({ alg: "ES256", kid: authorityId, typ: "txntoken+jwt" });
}
