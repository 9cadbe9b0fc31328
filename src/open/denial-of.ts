import type { Decided } from "../decide/decide.ts";
import type { DenialDetails, RefusedElement } from "../domain/denial-details.ts";

/**
 * What the caller is told of a decision that denies.
 *
 * @param decisionId - by which the denial is found.
 */
export function denialOf(
  { decision, refusers, refusesWhole }: Pick<Decided, "decision" | "refusers" | "refusesWhole">,
  decisionId: string,
): DenialDetails {
  const { requested, approval } = decision;
  const refused = requested.flatMap((element, index): RefusedElement[] => {
    const layer = refusers[index];
    return layer === undefined ? [] : [{ element, layer }];
  });
  return { decisionId, refused, refusedOmitted: 0, refusesWhole, ...(approval === undefined ? {} : { approval }) };
}
