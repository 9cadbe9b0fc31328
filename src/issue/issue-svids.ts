import type { DescendantPorts } from "../decide/descendants.ts";
import type { Denial } from "../domain/errors.ts";
import type { Attested, Delivery } from "../domain/stages.ts";
import { type EntitlePorts, entitle, type SvidOrder } from "./entitle.ts";
import { type IssueEntitledPorts, issueEntitled } from "./issue-entitled.ts";

export type IssuePorts = EntitlePorts & DescendantPorts & IssueEntitledPorts;

/**
 * The issuance path. Recording comes before signing, so a credential that no ledger row names has never existed;
 * a crash between the two costs the caller a retry, not the operator an unknown credential.
 *
 * @param order - one step, and the credentials of the step that are wanted.
 * @returns one answer for each wanted credential, in their order.
 * @throws BrokerError when the order as a whole is refused
 */
export async function issueSvids(
  caller: Attested,
  order: SvidOrder,
  ports: IssuePorts,
): Promise<readonly (Delivery | Denial)[]> {
  return issueEntitled(await entitle(caller, order, ports), ports);
}
