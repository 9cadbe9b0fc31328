import { type Denial, denial } from "../../domain/errors.ts";
import { leaseEnd } from "../../domain/step.ts";
import type { HoldStepAct, RenewStepAct, Sequenced } from "../../ports/ledger-acts.ts";
import { answered, ask, type Deliberation, read, refused } from "../rule.ts";
import { stepRefusal } from "./refusals.ts";
import { recordedAll, sequenced } from "./sequenced.ts";

export function* holdStep({ stepId, keeper, now }: HoldStepAct): Deliberation<Sequenced | Denial> {
  const { step } = yield* ask({ step: read("step", stepId) });
  const refusal = stepRefusal(step);
  if (refusal !== undefined) return refused(refusal);
  if (step?.isHeld === true && step.keeper === keeper) return answered(sequenced(0));
  return recordedAll([{ type: "step.held", v: 1, at: now, stepId, ...(keeper === undefined ? {} : { keeper }) }]);
}

export function* renewStep({ stepId, now }: RenewStepAct): Deliberation<Sequenced | Denial> {
  const { step } = yield* ask({ step: read("step", stepId) });
  const refusal = stepRefusal(step);
  if (refusal !== undefined) return refused(refusal);
  if (step?.leaseSeconds === undefined) {
    return refused(denial("INVALID_FIELD", "step_id: a step that was opened with a lease", { field: "step_id" }));
  }
  return recordedAll([
    { type: "step.renewed", v: 1, at: now, stepId, leaseExpiresAt: leaseEnd(now, step.leaseSeconds) },
  ]);
}
