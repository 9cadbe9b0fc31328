import type { Decided } from "../decide/decide.ts";
import type { DenialRecorder } from "../decide/record-denial.ts";
import { refusalText } from "../decide/refused-caller.ts";
import type { Decision } from "../domain/decision.ts";
import { type DenialDetails, DeniedError, type RefusedElement } from "../domain/denial-details.ts";
import type { Attested } from "../domain/stages.ts";
import { withNextStep } from "./denial-text.ts";

/**
 * Records a decision that denies, and gives what the caller is told: where the denial is found, and what was refused.
 *
 * @param denied - what was decided, and the decision as it is recorded but for its `message`.
 */
export async function recordedDenial(
  caller: Attested,
  { made, decision, message }: { readonly made: Decided; readonly decision: Decision; readonly message: string },
  { denials }: { readonly denials: DenialRecorder },
): Promise<DeniedError> {
  const recorded = await denials.record({ ...decision, message: refusalText(message) }, caller);
  const told = withNextStep(message, recorded);
  return new DeniedError(made.decision.reason ?? "POLICY_DENIED", told, { denial: denialOf(made, recorded) });
}

/**
 * What the caller is told of a decision that denies.
 *
 * @param decisionId - by which the denial is found.
 */
function denialOf(
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
