import { type StepApproval, StepState } from "../gen/stint/v1/types_pb.js";
import type { CallError } from "../wire/call-error.ts";
import { showControls } from "./output/show-controls.ts";

/** How a step that was held came to its end: in a state, or unknown to whoever may not hold it any more. */
export type StepEnd =
  | { readonly kind: "closed"; readonly state: StepState; readonly approval?: StepApproval | undefined }
  | { readonly kind: "refused"; readonly refusal: CallError }
  /** The broker can't be reached, and the step's time is over. */
  | { readonly kind: "overtime" };

/** Of a state that this version does not know, only the name is told. */
const BY: ReadonlyMap<StepState, string> = new Map([
  [StepState.COMPLETED, "another process closed it"],
  [StepState.FAILED, "another process closed it"],
  [StepState.CANCELLED, "another process closed it, or the step that it was delegated from ended"],
  [StepState.EXPIRED, "its time was over"],
  [StepState.ABANDONED, "it was not held for too long, or its executor is gone"],
  [StepState.SUPERSEDED, "a later attempt was opened"],
  [StepState.REVOKED, "an operator took it back, or policies no longer permit it"],
]);

/** What ended the step, as a sentence without its point. */
export function stepEndSentence(end: StepEnd): string {
  switch (end.kind) {
    case "closed": {
      const by = end.state === StepState.REFUSED ? refusedBy(end.approval) : BY.get(end.state);
      return `the step is ${StepState[end.state] ?? "closed"}${by === undefined ? "" : `: ${by}`}`;
    }
    case "refused":
      return `the step can't be held any more: ${end.refusal.info?.reason ?? end.refusal.codeName}: ${end.refusal.message}`;
    case "overtime":
      return "the step's time is over, and the broker can't be reached";
  }
}

/** What an operator said is for whoever asked. */
function refusedBy(approval: StepApproval | undefined): string {
  const answer = approval?.answer;
  return answer === undefined ? "nobody approved it in time" : `an operator refused it: ${showControls(answer.reason)}`;
}
