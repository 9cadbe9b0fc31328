import { base64urlLength } from "./base64url.ts";
import type { Confirmation } from "./confirmation.ts";
import { type Grant, narrowTo, scopeOf } from "./grant.ts";
import { JTI_LENGTH } from "./ids.ts";
import type { PrincipalName } from "./principal.ts";
import { type SpiffeId, stepNameOf } from "./spiffe-id.ts";
import {
  STATUS_LIST_NAME_BYTES,
  STATUS_LIST_TOKENS,
  type StatusClaim,
  statusClaim,
  type TokenStatus,
} from "./status-list.ts";
import { audiencesOf, type Step } from "./step.ts";
import type { UnixSeconds } from "./time.ts";

/** The claims of a JWT-SVID, in the order in which they are written. Contracts section 2. */
export type JwtClaims = {
  readonly iss: string;
  readonly sub: SpiffeId;
  readonly aud: readonly string[];
  readonly iat: UnixSeconds;
  readonly nbf: UnixSeconds;
  readonly exp: UnixSeconds;
  readonly jti: string;
  readonly client_id: SpiffeId;
  readonly txn: string;
  readonly scope?: string;
  readonly authorization_details?: Grant;
  readonly workflow?: string;
  readonly run_id: string;
  readonly step: string;
  readonly attempt: number;
  readonly step_id: string;
  readonly parent_step_id?: string;
  readonly principal?: PrincipalClaim;
  readonly cnf?: Confirmation;
  readonly status?: StatusClaim;
};

/** The claims about a step that every token of the step has. */
export type StepClaims = Pick<
  JwtClaims,
  "client_id" | "txn" | "workflow" | "run_id" | "step" | "attempt" | "step_id" | "parent_step_id" | "principal"
>;

/**
 * Whom a token's step works for. The salt is of this token alone, and recorded nowhere: the ledger has the digest of the
 * token and all that is in it but this, and without the salt names could be tried against the digest.
 */
export type PrincipalClaim = PrincipalName & {
  /** 16 random bytes, base64url. */
  readonly salt: string;
};

export const PRINCIPAL_SALT_BYTES = 16;

/** The members of a step that its tokens repeat. */
export type NamedStep = Pick<Step, "stepId" | "runId" | "step" | "attempt" | "spiffeId" | "workflow" | "parentStepId">;

export type JwtFacts = {
  readonly step: NamedStep;
  /** Absent for a step that works for nobody. */
  readonly principal?: PrincipalClaim;
  readonly audiences: readonly string[];
  /** The grant for the token, before `jwtClaims` narrows it to the token's audience. */
  readonly grant: Grant;
  /** Also `iat`: verifiers whose clocks are behind refuse one that is ahead of them, whatever `nbf` says. */
  readonly notBefore: UnixSeconds;
  /** Exclusive, as `exp` is. */
  readonly expiresAt: UnixSeconds;
  readonly jti: string;
  readonly confirmation?: Confirmation;
  /** Where the status list has the token; absent where no lists are served. */
  readonly status?: TokenStatus;
};

/**
 * The claims of a JWT-SVID. A token for several audiences says who the step is and nothing of what the step may do,
 * since each audience could use the token at the others.
 *
 * @param issuer - the broker's https issuer URL.
 * @see JWT-SVID section 3, RFC 9068 section 2.2, RFC 9396 section 9.1
 */
export function jwtClaims(issuer: string, facts: JwtFacts): JwtClaims {
  const { step, audiences } = facts;
  const { client_id, txn, ...ofStep } = stepClaims(step, facts.principal);
  const [audience, ...others] = audiences;
  if (audience === undefined) throw new TypeError("a JWT-SVID without an audience");
  const granted = others.length === 0 ? narrowTo(facts.grant, audience) : [];
  const scope = scopeOf(granted);
  return {
    iss: issuer,
    sub: step.spiffeId,
    aud: audiences,
    iat: facts.notBefore,
    nbf: facts.notBefore,
    exp: facts.expiresAt,
    jti: facts.jti,
    client_id,
    txn,
    ...(scope === "" ? {} : { scope }),
    ...(granted.length === 0 ? {} : { authorization_details: granted }),
    ...ofStep,
    ...(facts.confirmation === undefined ? {} : { cnf: facts.confirmation }),
    ...(facts.status === undefined ? {} : { status: statusClaim(issuer, facts.status) }),
  };
}

/** The claims of a token about its step, in the order in which they are written. Contracts section 2. */
export function stepClaims(step: NamedStep, principal: PrincipalClaim | undefined): StepClaims {
  const agent = stepNameOf(step.spiffeId)?.agent;
  if (agent === undefined) throw new TypeError("a step whose SPIFFE ID does not name it");
  return {
    client_id: agent,
    txn: step.runId,
    ...(step.workflow === undefined ? {} : { workflow: step.workflow }),
    run_id: step.runId,
    step: step.step,
    attempt: step.attempt,
    step_id: step.stepId,
    ...(step.parentStepId === undefined ? {} : { parent_step_id: step.parentStepId }),
    ...(principal === undefined ? {} : { principal: principalClaim(principal) }),
  };
}

/** Member by member: nothing else that is known of the principal gets into a token. */
function principalClaim({ iss, sub, salt }: PrincipalClaim): PrincipalClaim {
  return { iss, sub, salt };
}

/** The protected header of a JWT-SVID: these three members and no other. JWT-SVID section 2. */
export function jwtHeader(authorityId: string): string {
  return JSON.stringify({ alg: "ES256", kid: authorityId, typ: "JWT" });
}

const LONGEST_STATUS: TokenStatus = {
  list: "0".repeat(base64urlLength(STATUS_LIST_NAME_BYTES)),
  index: STATUS_LIST_TOKENS - 1,
};

/** Characters of the signature in the compact serialization. */
const SIGNATURE_LENGTH = base64urlLength(64);

/**
 * The length of the longest JWT-SVID for one audience that a step can be issued, so that a step whose tokens could not
 * be minted is refused before it is opened.
 *
 * @param authorityId - the id of any authority; all ids are equally long.
 * @param given.principal - whom the step works for.
 * @param given.hasStatus - whether tokens say where a status list has them.
 * @returns bytes of the compact serialization, exactly, while instants have ten digits.
 */
export function longestJwtSvidBytes(
  issuer: string,
  authorityId: string,
  step: NamedStep & Pick<Step, "grant" | "audiences">,
  { principal, hasStatus = false }: { readonly principal?: PrincipalName; readonly hasStatus?: boolean } = {},
): number {
  const salt = "0".repeat(base64urlLength(PRINCIPAL_SALT_BYTES));
  const named = principal === undefined ? {} : { principal: { iss: principal.iss, sub: principal.sub, salt } };
  const byLocation = new Map<string, Grant[number][]>();
  for (const element of step.grant) {
    for (const location of element.locations) {
      const there = byLocation.get(location);
      if (there === undefined) byLocation.set(location, [element]);
      else there.push(element);
    }
  }
  const instant = 9_999_999_999 as UnixSeconds;
  const lengths = audiencesOf(step).map((audience) => {
    const facts = {
      step,
      ...named,
      audiences: [audience],
      grant: byLocation.get(audience) ?? [],
      notBefore: instant,
      expiresAt: instant,
      jti: "0".repeat(JTI_LENGTH),
      // Whether the token will be bound is not known yet; `x5t#S256` is the longer of the two forms of `cnf`.
      confirmation: { "x5t#S256": "0".repeat(base64urlLength(32)) },
      ...(hasStatus ? { status: LONGEST_STATUS } : {}),
    };
    return base64urlLength(Buffer.byteLength(JSON.stringify(jwtClaims(issuer, facts))));
  });
  const header = base64urlLength(Buffer.byteLength(jwtHeader(authorityId)));
  return header + 1 + Math.max(0, ...lengths) + 1 + SIGNATURE_LENGTH;
}
