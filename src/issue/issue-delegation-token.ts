import { errorOf, isDenial } from "../domain/errors.ts";
import type { Attested, Delivery } from "../domain/stages.ts";
import { onlyAnswer } from "./entitle.ts";
import { type DelegationOrder, type EntitleDelegationPorts, entitleDelegation } from "./entitle-delegation.ts";
import { issueEntitled } from "./issue-entitled.ts";
import type { IssuePorts } from "./issue-svids.ts";

export type IssueDelegationPorts = IssuePorts & EntitleDelegationPorts;

/**
 * The issuance path for a delegation token.
 *
 * @throws BrokerError as `entitleDelegation`, and what any stage refuses with
 */
export async function issueDelegationToken(
  caller: Attested,
  order: DelegationOrder,
  ports: IssueDelegationPorts,
): Promise<Delivery> {
  const answer = onlyAnswer(await issueEntitled([await entitleDelegation(caller, order, ports)], ports));
  if (isDenial(answer)) throw errorOf(answer);
  return answer;
}
