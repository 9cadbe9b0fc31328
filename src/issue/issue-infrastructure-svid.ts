import type { Denial } from "../domain/errors.ts";
import type { Attested, Delivery } from "../domain/stages.ts";
import { type DeliverPorts, deliver } from "./deliver.ts";
import { type DraftPorts, draft } from "./draft.ts";
import { onlyAnswer } from "./entitle.ts";
import {
  type EntitleInfrastructurePorts,
  entitleInfrastructure,
  type InfrastructureWanted,
} from "./entitle-infrastructure.ts";
import { type RecordPorts, record } from "./record.ts";
import { type SignPorts, sign } from "./sign.ts";

export type InfrastructurePorts = EntitleInfrastructurePorts & DraftPorts & RecordPorts & SignPorts & DeliverPorts;

/**
 * The issuance path for what is bound to an entry instead of a step: drafted, recorded and signed like any other.
 *
 * @throws BrokerError when the caller is not entitled to it
 */
export async function issueInfrastructureSvid(
  caller: Attested,
  wanted: InfrastructureWanted,
  ports: InfrastructurePorts,
): Promise<Denial | Delivery> {
  const entitled = entitleInfrastructure(caller, wanted, ports);
  const recorded = await record(draft([entitled], ports), ports);
  return onlyAnswer(await deliver(await sign(recorded, ports), ports));
}
