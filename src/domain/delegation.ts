import { type Denial, denial } from "./errors.ts";
import { type SpiffeId, spiffeIdAt, type TrustDomain } from "./spiffe-id.ts";
import { hasExpired } from "./step.ts";
import type { UnixMicros, UnixSeconds } from "./time.ts";

/** What a delegation token lets one runtime do: open so many children under the token's step, and nothing else. */
export type Delegation = {
  /** Of the receiving runtime; a later entry of the same name is another runtime. */
  readonly runtimeEntryId: string;
  /** SPIFFE ID of the receiving runtime, as the token names it. */
  readonly mayAct: SpiffeId;
  readonly usesMax: number;
};

/** A delegation token as the ledger knows it at an instant. */
export type DelegationToken = Pick<Delegation, "runtimeEntryId" | "usesMax"> & {
  readonly stepId: string;
  readonly expiresAt: UnixSeconds;
  /** By itself, with its step or with its authority; or it was never delivered. */
  readonly isTakenBack: boolean;
  /** Children that were opened with it so far. */
  readonly uses: number;
};

/**
 * Why a child may not be opened with a delegation token; `undefined` when a use of the token is left. What is asked
 * before an opening, the ledger asks again in the transaction that takes the use: two openings can't both take the last.
 *
 * @param token - absent for one that the ledger does not know.
 */
export function delegationRefusal(
  token: DelegationToken | undefined,
  child: { readonly parentStepId: string | undefined; readonly openerEntryId: string },
  now: UnixMicros,
): Denial | undefined {
  if (token === undefined) return refusal("no such delegation token");
  if (token.runtimeEntryId !== child.openerEntryId) return refusal(FOR_ANOTHER);
  if (token.stepId !== child.parentStepId) return refusal("the delegation token is another step's");
  if (token.isTakenBack) return refusal("the delegation token was revoked");
  if (hasExpired(token.expiresAt, now)) return refusal("the delegation token has expired");
  // Written as "not below", so that a NaN is refused.
  if (token.uses < token.usesMax) return undefined;
  const children = token.usesMax === 1 ? "one child" : `${token.usesMax} children`;
  return refusal(`the delegation token was used up: it was for ${children}`);
}

export const FOR_ANOTHER = "the delegation token is for another runtime";

function refusal(message: string): Denial {
  return denial("DELEGATION_REFUSED", message);
}

const PATH = "/stint/server";

/** The only audience of a delegation token: the broker itself. */
export function brokerAudience(trustDomain: TrustDomain): SpiffeId {
  return spiffeIdAt(trustDomain, PATH);
}

/** Whether an audience is a broker's, of any trust domain; nobody else may answer for it. */
export function isBrokerAudience(audience: string): boolean {
  return audience.startsWith("spiffe://") && audience.endsWith(PATH) && audience.split("/").length === 5;
}
