import type { DataClasses } from "../domain/data-classes.ts";
import type { Decision, Situation } from "../domain/decision.ts";
import type { Segment } from "../domain/spiffe-id.ts";
import { POLICY_ACTS, type PolicyRequest, type Principal } from "../ports/policy-engine.ts";
import { approvalIn, confinement, forWhom } from "./ask-policies.ts";

/** A recorded decision as far as it says what was asked. */
export type RecordedQuestion = Pick<
  Decision,
  "act" | "agent" | "runId" | "step" | "attempt" | "requested" | "situation" | "count"
>;

/** All of a question but where its run is confined to, which follows from a set's classes of data. */
export type UnconfinedRequest = Omit<PolicyRequest, "confinedTo">;

/**
 * The request of a decision, as it was put to the policies.
 *
 * @param situation - the decision's own, or for a decision without one what is known of it otherwise.
 * @param principal - whom the situation's `principalId` stands for; `undefined` where it names nobody, or nobody who is
 *   known any more.
 * @returns `undefined` where no policy can have been asked, where the decision stands for several requests, or where it was
 *   asked for a principal who is not known any more
 */
export function requestOf(
  decision: RecordedQuestion,
  situation: Situation | undefined = decision.situation,
  principal?: Principal,
): UnconfinedRequest | undefined {
  const { agent, runId, step, attempt, requested } = decision;
  const act = POLICY_ACTS.find((one) => one === decision.act);
  if (act === undefined || situation === undefined || standsForSeveral(decision)) return undefined;
  if (agent === undefined || runId === undefined || step === undefined || attempt === undefined) return undefined;
  if ((situation.principalId === undefined) !== (principal === undefined)) return undefined;
  const { runtime, workflow, parent, facts, risk, depth, openerUnknown, selectors, at } = situation;
  return {
    act,
    // What the ledger holds of names was checked before it was recorded.
    agent: agent as Segment,
    name: { runId: runId as Segment, step: step as Segment, attempt },
    ...(runtime === undefined ? {} : { runtime }),
    ...forWhom({ principal }),
    ...(workflow === undefined ? {} : { workflow }),
    ...(parent === undefined ? {} : { parent }),
    requested,
    elements: requested.flatMap((element, index) => {
      if (layerOf(situation, index) !== undefined) return [];
      const fewer = situation.fewerCalls?.find((one) => one.element === index);
      return [fewer === undefined ? element : { ...element, max_calls: fewer.calls }];
    }),
    facts,
    risk,
    depth,
    ...(openerUnknown === undefined ? {} : { openerUnknown }),
    ...approvalIn(situation),
    selectors,
    at,
  };
}

/** Who refused the element at this place before any policy was asked of it; `undefined`: neither ceiling nor parent did. */
export function layerOf(
  { aboveCeiling = [], aboveParent = [] }: Pick<Situation, "aboveCeiling" | "aboveParent">,
  index: number,
): "ceiling" | "parent" | undefined {
  if (aboveCeiling.includes(index)) return "ceiling";
  return aboveParent.includes(index) ? "parent" : undefined;
}

/** The question as it is put to a set of policies, whose classes of data say where the run is confined to. */
export function putTo(dataClasses: DataClasses, request: UnconfinedRequest): PolicyRequest {
  return { ...request, ...confinement(request, request.facts, dataClasses) };
}

/** Of denials that were counted together, requests that were not the same are left out of the record. */
export function standsForSeveral({ count, requested }: Pick<Decision, "count" | "requested">): boolean {
  return count > 1 && requested.length === 0;
}
