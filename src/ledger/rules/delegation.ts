import { type Denial, denial } from "../../domain/errors.ts";
import { hasExpired, type OpenedStep } from "../../domain/step.ts";
import type { UnixMicros } from "../../domain/time.ts";
import type { GuardedDelegationToken } from "../view.ts";

/**
 * Why a step may not be opened by the delegation token that it names; `undefined` when it names none, or when a use of
 * the token is left, which the opening takes in the same transaction: two openings can't both take the last.
 */
export function delegationRefusal(
  { delegationJti, parentStepId, openerEntryId }: OpenedStep,
  token: GuardedDelegationToken | undefined,
  now: UnixMicros,
): Denial | undefined {
  if (delegationJti === undefined) return undefined;
  if (token === undefined) return refusal("no such delegation token");
  if (token.runtimeEntryId !== openerEntryId) return refusal("the delegation token is for another runtime");
  if (token.stepId !== parentStepId) return refusal("the delegation token is another step's");
  if (token.undeliveredSequence !== undefined || token.revokedSequence !== undefined) {
    return refusal("the delegation token was revoked");
  }
  if (hasExpired(token.expiresAt, now)) return refusal("the delegation token has expired");
  // Written as "not below", so that a NaN is refused.
  return token.uses < token.usesMax ? undefined : refusal(usedUp(token.usesMax));
}

/** The words for a token of which nothing is left. */
export function usedUp(usesMax: number): string {
  return usesMax === 1
    ? "the delegation token was used, and is for one child"
    : `the delegation token was used up: it is for ${usesMax} children`;
}

function refusal(message: string): Denial {
  return denial("DELEGATION_REFUSED", message);
}
