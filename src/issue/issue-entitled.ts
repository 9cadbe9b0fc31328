import type { Denial } from "../domain/errors.ts";
import type { Delivery, Drafted, Entitled } from "../domain/stages.ts";
import { type DeliverPorts, deliver } from "./deliver.ts";
import { type DraftPorts, draft } from "./draft.ts";
import { type RecordPorts, record } from "./record.ts";
import { type SignPorts, sign } from "./sign.ts";

export type IssueEntitledPorts = DraftPorts & RecordPorts & SignPorts & DeliverPorts;

/**
 * The rest of the issuance path, for what somebody is entitled to: recorded in one append.
 *
 * @returns one answer for each, in their order; what one is refused is not the others' matter.
 */
export async function issueEntitled(
  entitled: readonly (Entitled | Denial)[],
  ports: IssueEntitledPorts,
): Promise<readonly (Delivery | Denial)[]> {
  return issueDrafted(draft(entitled, ports), ports);
}

/** What comes after the draft: nothing is recorded before, and nothing signed that is not. */
export async function issueDrafted(
  drafted: readonly (Drafted | Denial)[],
  ports: RecordPorts & SignPorts & DeliverPorts,
): Promise<readonly (Delivery | Denial)[]> {
  const recorded = await record(drafted, ports);
  const signed = await sign(recorded, ports);
  return deliver(signed, ports);
}
