import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Grant } from "../../domain/grant.ts";
import type { StepState as KnownState } from "../../domain/step.ts";
import type { Step as StepMessage, StepState } from "../../gen/stint/v1/types_pb.js";
import { knownGrantOf } from "../../wire/grant-message.ts";
import { stepStateOf } from "../../wire/step-message.ts";

/** A state that only a newer broker knows counts as closed. */
export type StepStateName = KnownState | "UNKNOWN";

/** What the broker says of a step. */
export type StepFacts = {
  readonly stepId: string;
  readonly name: { readonly runId: string; readonly step: string; readonly attempt: number };
  readonly agent: string;
  readonly spiffeId: string;
  /** What was granted, which is what was asked unless `allowPartial` was. */
  readonly grant: Grant;
  readonly audiences: readonly string[];
  /** No credential of the step outlives it. */
  readonly expiresAt: Date;
  /** Empty for a step without a parent. */
  readonly parentStepId: string;
  readonly decisionId: string;
};

export function stepFactsOf(step: StepMessage): StepFacts {
  return {
    stepId: step.stepId,
    name: { runId: step.name?.runId ?? "", step: step.name?.step ?? "", attempt: step.name?.attempt ?? 0 },
    agent: step.agent,
    spiffeId: step.spiffeId,
    grant: knownGrantOf(step.grant),
    audiences: [...step.audiences],
    // Without an expiry there is nothing to hold the broker to: a step that has already ended.
    expiresAt: step.expiresAt === undefined ? new Date(0) : timestampDate(step.expiresAt),
    parentStepId: step.parentStepId,
    decisionId: step.decisionId,
  };
}

export function stateNameOf(state: StepState): StepStateName {
  return stepStateOf(state) ?? "UNKNOWN";
}
