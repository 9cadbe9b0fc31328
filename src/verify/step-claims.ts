import { type Segment, type SpiffeId, stepNameOf } from "../domain/spiffe-id.ts";
import { isObject, type JsonObject } from "../domain/strict-json.ts";
import { VerificationError } from "./verification-error.ts";

/** What a token says of the step that it identifies. */
export type StepFacts = {
  readonly stepId: string;
  readonly runId: Segment;
  readonly step: Segment;
  readonly attempt: number;
  /** The agent's stable SPIFFE ID. */
  readonly agent: SpiffeId;
  /** The workflow's name, where the runtime gave one. */
  readonly workflow?: string;
  /** Present for a delegated step. */
  readonly parentStepId?: string;
  /** On whose behalf the run works, where that was verified. */
  readonly principal?: { readonly iss: string; readonly sub: string };
};

/**
 * The step facts in a token's claims. Flat claims repeat what the SPIFFE ID says, and a token whose claims and SPIFFE
 * ID differ is refused: one reader would believe the claims, the next the SPIFFE ID.
 *
 * @returns `undefined` when the claims name no step.
 * @throws VerificationError CLAIMS_INVALID
 * @see contracts section 2
 */
export function stepFactsOf(claims: JsonObject, spiffeId: SpiffeId): StepFacts | undefined {
  const { step_id: stepId, run_id: runId, step, attempt, client_id: agent, workflow, principal } = claims;
  const parentStepId = claims["parent_step_id"];
  if (stepId === undefined) return undefined;
  const name = stepNameOf(spiffeId);
  if (name === undefined || runId !== name.runId || step !== name.step || attempt !== name.attempt) {
    throw claimsInvalid("run_id, step and attempt as the subject has them");
  }
  if (typeof stepId !== "string" || stepId === "") throw claimsInvalid("step_id as a string");
  if (agent !== name.agent) throw claimsInvalid("client_id as the agent of the subject");
  return {
    stepId,
    runId: name.runId,
    step: name.step,
    attempt: name.attempt,
    agent: name.agent,
    ...(workflow === undefined ? {} : { workflow: textOf(workflow, "workflow") }),
    ...(parentStepId === undefined ? {} : { parentStepId: textOf(parentStepId, "parent_step_id") }),
    ...(principal === undefined ? {} : { principal: principalOf(principal) }),
  };
}

function principalOf(value: unknown): { readonly iss: string; readonly sub: string } {
  if (!isObject(value)) throw claimsInvalid("principal as an object");
  return { iss: textOf(value["iss"], "principal.iss"), sub: textOf(value["sub"], "principal.sub") };
}

/** A claim that must be a non-empty string. */
export function textOf(value: unknown, name: string): string {
  if (typeof value !== "string" || value === "") throw claimsInvalid(`${name} as a string`);
  return value;
}

export function claimsInvalid(expected: string): VerificationError {
  return new VerificationError("CLAIMS_INVALID", `claims of the token: expected ${expected}`);
}
