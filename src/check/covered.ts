import { BrokerError } from "../domain/errors.ts";
import { coverageOf, formatGrant } from "../domain/grant.ts";
import type { CallRequest } from "./call-request.ts";
import type { Presented } from "./presented-step.ts";

/**
 * Refuses what neither policy nor budget could permit: the credential's grant and the step's both have to cover the call.
 *
 * @throws BrokerError GRANT_EXCEEDED
 */
export function checkCovered({ grant, step }: Presented, { use }: CallRequest): void {
  for (const held of [grant, step.grant]) {
    const { isCovered, isOfOtherDefinition } = coverageOf(held, use);
    if (isCovered) continue;
    const other = "the step's grant is for another definition of the tool";
    if (isOfOtherDefinition) throw new BrokerError("GRANT_EXCEEDED", `${other}: ${formatGrant([use])}`);
    throw new BrokerError("GRANT_EXCEEDED", `above the step's grant: ${formatGrant([use])}`);
  }
}
