import type { PendingApproval } from "./approval.ts";
import { type Denial, denial } from "./errors.ts";
import { isClosed, permits, type StepState } from "./step.ts";

/** Why nobody can approve or refuse a step: it waits for nothing. */
export function answerRefusal({
  state,
  approval,
}: {
  readonly state: StepState;
  readonly approval?: PendingApproval;
}): Denial | undefined {
  if (isClosed(state)) return denial("STEP_CLOSED", `the step is ${state}`, { state });
  if (!permits(state)) return undefined;
  const isApproved = approval !== undefined;
  return denial("STEP_EXISTS", `the step ${isApproved ? "was approved already" : "waits for no approval"}`, { state });
}

/** Why an approval comes too late. */
export function tooLateToApprove(): Denial {
  const state: StepState = "PENDING_APPROVAL";
  return denial("STEP_CLOSED", "the time in which the step could be approved is over", { state });
}

/** Why a step that waits for approval did neither complete nor fail: its work never began. */
export function beganNothing(): Denial {
  const state: StepState = "PENDING_APPROVAL";
  const message = "outcome: CANCELLED for a step that waits for approval, since its work never began";
  return denial("INVALID_FIELD", message, { field: "outcome", state });
}
