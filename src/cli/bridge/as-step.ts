import type { Outcome, Step, StepProof } from "../../sdk/runtime/index.ts";
import { EXIT, Failure } from "../failure.ts";
import { holdStep } from "../hold-step.ts";
import { closeAfterCommand, noteUnclosed } from "../run-as-step.ts";
import type { Session } from "../session.ts";
import { type StepEnd, stepEndSentence } from "../step-end.ts";
import { type BridgedStep, stepEndError, withStepFetch } from "./bridged-step.ts";

/** What is done while a step is held. */
export type StepWork = {
  /** @returns the exit status of this command. */
  run(step: Step): Promise<number>;
  /** Told when the step ends first; its calls have ended then. */
  ended(end: StepEnd): void;
  outcomeOf(exitStatus: number): Outcome;
};

/**
 * Works as a step: holds it, and closes it with the outcome if it is ours to close.
 *
 * @returns the work's exit status, but never 0 if the step ended first
 * @throws Failure when the step had ended at once, and what the work throws
 */
export async function workAsStep(
  session: Session,
  steps: ReturnType<Session["workload"]>,
  { message, isOurs }: BridgedStep,
  proof: StepProof | undefined,
  work: StepWork,
): Promise<number> {
  const ended = new AbortController();
  let isOver = false;
  let end: StepEnd | undefined;
  const hold = holdStep(steps, message, session.context.now, (how) => {
    if (isOver) return;
    end = how;
    ended.abort(stepEndError(how));
    work.ended(how);
  });
  try {
    await hold.held;
    if (end !== undefined) throw new Failure(`${stepEndSentence(end)}; the client has not run`, EXIT.refused);
    return await withStepFetch(session, message, { proof, ended: ended.signal }, async (step) => {
      const exitStatus = await work.run(step);
      isOver = true;
      const isClosed = end === undefined && (!isOurs || (await closed(session, step, work.outcomeOf(exitStatus))));
      return exitStatus === 0 && !isClosed ? EXIT.refused : exitStatus;
    });
  } catch (thrown) {
    // What has not run has not completed, and nobody is to wait for it.
    if (end === undefined && isOurs) await closeAfterCommand(session, steps, message, "FAILED");
    throw thrown;
  } finally {
    hold.release();
  }
}

/**
 * Closes the step, and tries again while the broker is away. A failure is only noted: the work's exit status still is the answer.
 *
 * @returns `false` for a step that had ended before
 */
async function closed(session: Session, step: Step, outcome: Outcome): Promise<boolean> {
  try {
    const { state } = await step.close(outcome);
    if (state === outcome) return true;
    session.note(`the step is ${state}: it had ended before the client did`);
    return false;
  } catch (thrown) {
    noteUnclosed(session, thrown);
    return true;
  }
}
