import type { Denial } from "../domain/errors.ts";
import type { Delivery, Drafted, Entitled } from "../domain/stages.ts";
import { type DeliverPorts, deliver } from "./deliver.ts";
import { type DraftPorts, draft } from "./draft.ts";
import { type RecordPorts, record } from "./record.ts";
import { type SignPorts, sign } from "./sign.ts";

export type IssueDraftedPorts = RecordPorts & SignPorts & DeliverPorts;

export type IssueEntitledPorts = DraftPorts &
  IssueDraftedPorts & {
    /** Does what `issueDrafted` does, in another process; absent: it is done in this one. */
    readonly issuedElsewhere?: (drafted: readonly (Drafted | Denial)[]) => Promise<readonly (Delivery | Denial)[]>;
  };

/**
 * The issuance path after `entitle`; all items are recorded in one append.
 *
 * @returns one answer for each item, in their order; the refusal of one item does not affect the others.
 */
export async function issueEntitled(
  entitled: readonly (Entitled | Denial)[],
  ports: IssueEntitledPorts,
): Promise<readonly (Delivery | Denial)[]> {
  const drafted = draft(entitled, ports);
  return ports.issuedElsewhere === undefined ? issueDrafted(drafted, ports) : ports.issuedElsewhere(drafted);
}

/** The issuance path after `draft`: nothing was recorded before, and only what is recorded here is signed. */
export async function issueDrafted(
  drafted: readonly (Drafted | Denial)[],
  ports: IssueDraftedPorts,
): Promise<readonly (Delivery | Denial)[]> {
  const recorded = await record(drafted, ports);
  const signed = await sign(recorded, ports);
  return deliver(signed, ports);
}
