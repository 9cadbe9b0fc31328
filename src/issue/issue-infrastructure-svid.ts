import type { Denial } from "../domain/errors.ts";
import type { Attested, Delivery } from "../domain/stages.ts";
import { onlyAnswer } from "./entitle.ts";
import {
  type EntitleInfrastructurePorts,
  entitleInfrastructure,
  type InfrastructureWanted,
} from "./entitle-infrastructure.ts";
import { type IssueEntitledPorts, issueEntitled } from "./issue-entitled.ts";

export type InfrastructurePorts = EntitleInfrastructurePorts & IssueEntitledPorts;

/**
 * The issuance path for an SVID that is bound to an entry instead of a step, drafted, recorded and signed like any
 * other.
 *
 * @throws BrokerError when the caller is not entitled to the SVID
 */
export async function issueInfrastructureSvid(
  caller: Attested,
  wanted: InfrastructureWanted,
  ports: InfrastructurePorts,
): Promise<Denial | Delivery> {
  return onlyAnswer(await issueEntitled([entitleInfrastructure(caller, wanted, ports)], ports));
}
