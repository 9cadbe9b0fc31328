import { resolve } from "node:path";
import process from "node:process";
import { type Step as StepMessage, StepState } from "../../gen/stint/v1/types_pb.js";
import { createStint, type Step, type StepProof, StintError } from "../../sdk/runtime/index.ts";
import { socketPathOf } from "../../wire/channel.ts";
import { EXIT, Failure, usageFailure } from "../failure.ts";
import { type OpenOptions, opened, openRequestOf } from "../open-flags.ts";
import { approved, closeAfterCommand } from "../run-as-step.ts";
import type { Session } from "../session.ts";
import { type StepEnd, stepEndSentence } from "../step-end.ts";

export type BridgedStepOptions = Partial<OpenOptions> & {
  /** Of a step that a runtime has opened for this process to execute; absent: the bridge opens one. */
  readonly stepId?: string;
  readonly proof?: StepProof;
};

/** A step of which this process is the executor. */
export type BridgedStep = {
  readonly message: StepMessage;
  /** Whether it is this process's to close: otherwise whoever opened it says how it ended. */
  readonly isOurs: boolean;
};

/**
 * Opens a step for this process, or takes up the one that was opened for it.
 *
 * @param stop - ends the wait for an approval, and takes the request back.
 * @throws CallError, BrokerError or Failure for what was refused
 */
export async function bridgedStep(
  session: Session,
  steps: ReturnType<Session["workload"]>,
  options: BridgedStepOptions,
  stop: AbortSignal,
): Promise<BridgedStep> {
  const { stepId, run, step: name } = options;
  if (stepId !== undefined) {
    const { step } = await steps.get({ by: { case: "stepId", value: stepId } });
    if (step === undefined) throw new Error("the broker told nothing of the step");
    if (step.state !== StepState.OPEN) {
      throw new Failure(`${stepEndSentence({ kind: "closed", state: step.state })}; nothing was run`, EXIT.refused);
    }
    return { message: step, isOurs: false };
  }
  if (run === undefined || name === undefined) {
    throw usageFailure("no step: name the one to open by --run and --step, or one that is this process's by --step-id");
  }
  const asked = { ...options, run, step: name };
  const request = openRequestOf(asked, { case: "pid", value: process.pid }, session.context.now());
  const { step } = await opened(steps.open(request), asked, session);
  if (step === undefined) throw new Error("the broker opened a step and told nothing of it");
  try {
    return { message: await approved(steps, step, stop), isOurs: true };
  } catch (thrown) {
    if (!stop.aborted) throw thrown;
    // Nobody is to approve what nobody waits for.
    await closeAfterCommand(session, steps, step, "CANCELLED");
    throw new Failure("stopped before the step was approved; the client has not run", EXIT.refused);
  }
}

/**
 * What the step's requests go out by. Holds nothing: that is up to whoever hears of the step's end, and tells it by the signal.
 *
 * @throws Failure
 */
export async function withStepFetch<Result>(
  session: Session,
  { stepId }: StepMessage,
  { proof, ended }: { readonly proof: StepProof | undefined; readonly ended: AbortSignal },
  work: (step: Step) => Promise<Result>,
): Promise<Result> {
  // Not over the broker endpoint, whatever the environment says: nobody sees there which process asks.
  using stint = createStint({
    endpoint: `unix://${resolve(socketPathOf(session.globals.socket))}`,
    brokerEndpoint: "",
  });
  let step: Step;
  try {
    step = await stint.resumeStep({ stepId, hold: false, proof, signal: ended });
  } catch (thrown) {
    throw thrown instanceof StintError ? new Failure(`${thrown.reason}: ${thrown.message}`, EXIT.refused) : thrown;
  }
  return await work(step);
}

/** The reason for calls that the step's end cuts short. */
export function stepEndError(end: StepEnd): StintError {
  const state = end.kind === "closed" ? StepState[end.state] : undefined;
  return new StintError("STEP_CLOSED", stepEndSentence(end), state === undefined ? {} : { metadata: { state } });
}
