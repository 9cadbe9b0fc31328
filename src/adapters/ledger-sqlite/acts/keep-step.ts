import { type Denial, denial, isDenial } from "../../../domain/errors.ts";
import type { Step } from "../../../domain/step.ts";
import type { HoldStepAct, RenewStepAct } from "../../../ports/ledger.ts";
import { readStep } from "../read-step.ts";
import { leaseEnd } from "../tables/step-table.ts";
import type { ActContext } from "./act-context.ts";
import { openStepOr } from "./refusals.ts";

export function holdStep({ db, append }: ActContext, { stepId, now }: HoldStepAct): Step | Denial {
  const step = openStepOr(db, stepId);
  if (isDenial(step)) return step;
  if (step.held === 0) append({ type: "step.held", v: 1, at: now, stepId });
  return readStep(db, step.sequence);
}

export function renewStep({ db, append }: ActContext, { stepId, now }: RenewStepAct): Step | Denial {
  const step = openStepOr(db, stepId);
  if (isDenial(step)) return step;
  if (step.leaseSeconds === null) {
    return denial("INVALID_FIELD", "step_id: a step that was opened with a lease", { field: "step_id" });
  }
  append({ type: "step.renewed", v: 1, at: now, stepId, leaseExpiresAt: leaseEnd(now, step.leaseSeconds) });
  return readStep(db, step.sequence);
}
