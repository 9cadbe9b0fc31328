import { resolve } from "node:path";
import type { Command } from "commander";
import { Outcome } from "../../gen/stint/v1/steps_pb.js";
import { type Step, StepState } from "../../gen/stint/v1/types_pb.js";
import { callErrorOf } from "../../wire/call-error.ts";
import { socketPathOf } from "../../wire/channel.ts";
import type { Context } from "../context.ts";
import { ExitStatus } from "../failure.ts";
import { type Gate, startGate } from "../gate.ts";
import { holdStep } from "../hold-step.ts";
import { addOpenFlags, type OpenOptions, openRequestOf } from "../open-flags.ts";
import { enumField } from "../output/fields.ts";
import { acting, ENDPOINT_VARIABLE, type Session } from "../session.ts";

type StepsClient = ReturnType<Session["workload"]>;

export function addStepRun(step: Command, context: Context): void {
  addOpenFlags(
    step
      .command("run")
      .description("run a command as a step: open, run as its executor, hold, close with the command's exit status")
      .argument("<command...>", "after --: the command and its arguments"),
  ).action(
    acting(context, async (session, options: OpenOptions, command: readonly string[]) => {
      throw new ExitStatus(await runAsStep(session, options, command));
    }),
  );
}

/**
 * Runs a command as the executor of a new step. The command's process exists before the step does, so that the step can
 * name the process, which waits at a gate until the step is open and held.
 *
 * @returns the command's exit status
 * @throws CallError when the step can't be opened; the command has then not run
 */
async function runAsStep(session: Session, options: OpenOptions, command: readonly string[]): Promise<number> {
  const steps = session.workload();
  const gate = startGate(command, {
    STINT_RUN_ID: options.run,
    STINT_STEP_NAME: options.step,
    STINT_STEP_AGENT: options.agent,
    [ENDPOINT_VARIABLE]: `unix://${resolve(socketPathOf(session.globals.socket))}`,
  });
  try {
    const request = openRequestOf(options, { case: "pid", value: gate.pid }, session.context.now());
    const { step } = await steps.open(request);
    if (step === undefined) throw new Error("the broker opened a step and told nothing of it");
    return await runHeld(session, steps, step, gate);
  } catch (thrown) {
    await gate.refuse();
    throw thrown;
  }
}

async function runHeld(session: Session, steps: StepsClient, step: Step, gate: Gate): Promise<number> {
  let isRunning = true;
  const hold = holdStep(steps, step.stepId, (state) => {
    if (isRunning) session.note(`the step is ${stateName(state)}: the command has no credentials any more`);
  });
  try {
    await hold.held;
    const attempt = String(step.name?.attempt ?? "");
    const exitStatus = await gate.open({ STINT_STEP_ID: step.stepId, STINT_STEP_ATTEMPT: attempt });
    isRunning = false;
    await close(session, steps, step, exitStatus === 0 ? "COMPLETED" : "FAILED");
    return exitStatus;
  } finally {
    hold.release();
  }
}

/** Closes the step once its command has run; a failure is only noted: the command's exit status still is the answer. */
async function close(
  session: Session,
  steps: StepsClient,
  { stepId }: Step,
  outcome: "COMPLETED" | "FAILED",
): Promise<void> {
  try {
    const closed = await steps.close({ stepId, outcome: Outcome[outcome] });
    const state = stateName(closed.step?.state ?? StepState.UNSPECIFIED);
    if (state !== outcome) session.note(`the step had ended before its command: it is ${state}`);
  } catch (thrown) {
    const { info, codeName, message } = callErrorOf(thrown);
    session.note(`the step could not be closed: ${info?.reason ?? codeName}: ${message}`);
  }
}

function stateName(state: StepState): string {
  return enumField(StepState, state);
}
