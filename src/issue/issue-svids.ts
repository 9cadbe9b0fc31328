import type { Denial } from "../domain/errors.ts";
import type { Attested, Delivery } from "../domain/stages.ts";
import { type DeliverPorts, deliver } from "./deliver.ts";
import { type DraftPorts, draft } from "./draft.ts";
import { type EntitlePorts, entitle, type SvidOrder } from "./entitle.ts";
import { type RecordPorts, record } from "./record.ts";
import { type SignPorts, sign } from "./sign.ts";

export type IssuePorts = EntitlePorts & DraftPorts & RecordPorts & SignPorts & DeliverPorts;

/**
 * The issuance path. Recording comes before signing, so a credential that no ledger row names has never existed;
 * a crash between the two costs the caller a retry, not the operator an unknown credential.
 *
 * @param order - one step and the credentials wanted of it.
 * @returns one answer for each wanted credential, in their order.
 * @throws BrokerError when the order as a whole is refused
 */
export async function issueSvids(
  caller: Attested,
  order: SvidOrder,
  ports: IssuePorts,
): Promise<readonly (Delivery | Denial)[]> {
  const entitled = await entitle(caller, order, ports);
  const drafted = draft(entitled, ports);
  const recorded = await record(drafted, ports);
  const signed = await sign(recorded, ports);
  return deliver(signed, ports);
}
