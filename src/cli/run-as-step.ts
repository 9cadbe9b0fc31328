import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Outcome } from "../gen/stint/v1/steps_pb.js";
import { type Step, StepState } from "../gen/stint/v1/types_pb.js";
import { askBroker } from "../sdk/runtime/broker.ts";
import type { Outcome as SdkOutcome } from "../sdk/runtime/index.ts";
import { stintErrorOf } from "../sdk/runtime/stint-error.ts";
import { ASK_AGAIN_AFTER_MS, answeredStep } from "../wire/answered-step.ts";
import { callErrorOf } from "../wire/call-error.ts";
import { socketPathOf } from "../wire/channel.ts";
import {
  type CredentialDescriptor,
  openCredentialDescriptor,
  openingRefusal,
  withSentAudiences,
} from "./credential-descriptor.ts";
import { ENDPOINT_VARIABLE } from "./endpoint-variable.ts";
import { EXIT, Failure } from "./failure.ts";
import { type Gate, startGate } from "./gate.ts";
import { holdStep } from "./hold-step.ts";
import { AGENT_DEFAULT, type OpenOptions, opened, openRequestOf, type WantedExecutor } from "./open-flags.ts";
import { enumField } from "./output/fields.ts";
import type { Session } from "./session.ts";
import { type StepEnd, stepEndSentence } from "./step-end.ts";

type StepsClient = ReturnType<Session["workload"]>;

/** What `stint step run` is given. */
export type RunOptions = OpenOptions &
  EndOptions & {
    /** Who executes the step: the command alone, or with the processes that it starts. */
    readonly executor: "process" | "tree";
    /** Whether the command may open steps of its own. */
    readonly enroll?: true;
    /** Whether the command is sent credentials on a descriptor, and this process is the executor. */
    readonly credentialFd?: true;
  };

export type EndOptions = {
  /** What is done with a command whose step has ended. */
  readonly onEnd: "term" | "ignore";
  /** Seconds between SIGTERM and SIGKILL. */
  readonly endGrace: number;
};

/**
 * Runs a command as the executor of a new step. The command's process exists before the step does, so that the step can
 * name the process, which waits at a gate until the step is open and held.
 *
 * @returns the command's exit status, but never 0 if the step ended before the command did
 * @throws CallError when the step can't be opened, Failure when it ended at once or a signal came first; the command has
 *   then not run
 */
export async function runAsStep(session: Session, options: RunOptions, command: readonly string[]): Promise<number> {
  const steps = session.workload();
  const variables = {
    STINT_RUN_ID: options.run,
    STINT_STEP_NAME: options.step,
    STINT_STEP_AGENT: options.agent ?? AGENT_DEFAULT,
    [ENDPOINT_VARIABLE]: `unix://${resolve(socketPathOf(session.globals.socket))}`,
  };
  const opening = options.credentialFd === true ? withSentAudiences(options) : options;
  const credentials = options.credentialFd === true ? openCredentialDescriptor(session) : undefined;
  const gate = startGate(command, variables, credentials?.readEnd);
  credentials?.given();
  try {
    const executor = executorOf(options, gate);
    const request = openRequestOf(opening, executor, session.context.now());
    const { step: asked } = await opened(steps.open(request), options, session).catch((thrown: unknown) => {
      throw credentials === undefined ? thrown : openingRefusal(thrown);
    });
    if (asked === undefined) throw new Error("the broker opened a step and told nothing of it");
    return await runOpened({ session, steps, gate, credentials, options }, asked);
  } catch (thrown) {
    await gate.refuse();
    throw thrown;
  } finally {
    credentials?.close();
  }
}

/** The command's process; where its credentials are sent, this one, which gets them, or this one with all that is below it. */
function executorOf({ executor, credentialFd }: RunOptions, { pid }: Gate): WantedExecutor {
  if (credentialFd === true) {
    return executor === "tree" ? { case: "tree", value: { pid: OWN_PID } } : { case: "self", value: {} };
  }
  return executor === "tree" ? { case: "tree", value: { pid } } : { case: "pid", value: pid };
}

/** How the opener's own process is named, which it may be in another PID namespace. */
const OWN_PID = 0;

/** One run under way. */
type Run = {
  readonly session: Session;
  readonly steps: StepsClient;
  readonly gate: Gate;
  readonly credentials: CredentialDescriptor | undefined;
  readonly options: RunOptions;
};

async function runOpened(run: Run, asked: Step): Promise<number> {
  const { steps, gate } = run;
  try {
    return await runHeld(run, await approved(steps, asked, gate.interrupted));
  } catch (thrown) {
    if (!gate.interrupted.aborted) throw thrown;
    // While the gate still stands: a step whose executor is gone is abandoned.
    const { step } = await steps.close({ stepId: asked.stepId, outcome: Outcome.CANCELLED });
    const state = StepState[step?.state ?? StepState.CANCELLED];
    throw new Failure(`the step is ${state}: ${(gate.interrupted.reason as Failure).message}`, EXIT.refused);
  }
}

/**
 * The step, once it is approved where it has to be.
 *
 * @throws Failure when it is refused; the command has then not run. And the signal's reason
 */
export async function approved(steps: StepsClient, step: Step, signal: AbortSignal): Promise<Step> {
  if (step.state !== StepState.PENDING_APPROVAL) return step;
  const answered = await answeredStep(steps, step.stepId, {
    signal,
    pause: () => sleep(ASK_AGAIN_AFTER_MS, undefined, { signal }).catch(() => undefined),
    mayPass: (thrown) => {
      const { info, codeName } = callErrorOf(thrown);
      return info === undefined || codeName === "UNAVAILABLE";
    },
  });
  if (answered.state === StepState.OPEN) return answered;
  const { state, approval } = answered;
  throw new Failure(`${stepEndSentence({ kind: "closed", state, approval })}; the command has not run`, EXIT.refused);
}

async function runHeld(run: Run, step: Step): Promise<number> {
  const { session, steps, gate, credentials, options } = run;
  let phase: "waiting" | "running" | "over" = "waiting";
  let end: StepEnd | undefined;
  let kill: NodeJS.Timeout | undefined;
  const hold = holdStep(steps, step, session.context.now, (ended) => {
    if (phase === "over") return;
    end = ended;
    credentials?.close();
    if (phase === "running") kill = endCommand(session, gate, ended, options);
  });
  try {
    const interrupted = abortOf(gate.interrupted);
    await Promise.race([hold.held, interrupted]);
    await Promise.race([sendCredentials(run, step, () => end !== undefined), interrupted]);
    if (end !== undefined) throw new Failure(`${stepEndSentence(end)}; the command has not run`, EXIT.refused);
    if (options.enroll === true) await steps.enroll({ pid: gate.pid });
    phase = "running";
    const attempt = String(step.name?.attempt ?? "");
    const exitStatus = await gate.open({ STINT_STEP_ID: step.stepId, STINT_STEP_ATTEMPT: attempt });
    phase = "over";
    const isClosed =
      end === undefined && (await closeAfterCommand(session, steps, step, exitStatus === 0 ? "COMPLETED" : "FAILED"));
    return exitStatus === 0 && !isClosed ? EXIT.refused : exitStatus;
  } finally {
    clearTimeout(kill);
    hold.release();
  }
}

/**
 * The first credentials are there before the command is.
 *
 * @throws Failure when one is refused; the step is then closed
 */
async function sendCredentials(run: Run, step: Step, hasEnded: () => boolean): Promise<void> {
  const { session, steps, gate, credentials, options } = run;
  try {
    await credentials?.send(step.stepId, options.audience);
  } catch (thrown) {
    // Whoever waits for this is told of an end, or of an interruption, by its own name.
    if (hasEnded()) return;
    if (!gate.interrupted.aborted) await closeAfterCommand(session, steps, step, "CANCELLED");
    throw thrown;
  }
}

function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}

/** Tells a command that its step has ended: only its own process, which is the one that the step was for. */
export function endCommand(
  { note }: Session,
  gate: Gate,
  end: StepEnd,
  { onEnd, endGrace }: EndOptions,
): NodeJS.Timeout | undefined {
  const sentence = `${stepEndSentence(end)}; the command has no credentials any more`;
  if (onEnd === "ignore") {
    note(sentence);
    return undefined;
  }
  note(`${sentence}, and is ended: SIGTERM, and SIGKILL in ${endGrace} s`);
  gate.signal("SIGTERM");
  return setTimeout(() => gate.signal("SIGKILL"), endGrace * 1_000);
}

export function noteUnclosed({ note }: Session, thrown: unknown): void {
  const { reason, message } = stintErrorOf(thrown);
  note(`the step could not be closed: ${reason}: ${message}`);
}

/**
 * Closes the step once its command has run, and tries again while the broker is away. A failure is only noted: the command's exit status
 * still is the answer.
 *
 * @returns `false` for a step that had ended before its command
 */
export async function closeAfterCommand(
  session: Session,
  steps: StepsClient,
  { stepId }: Step,
  outcome: SdkOutcome,
): Promise<boolean> {
  try {
    const closed = await askBroker((call) => steps.close({ stepId, outcome: Outcome[outcome] }, call));
    const state = closed.step?.state ?? StepState.UNSPECIFIED;
    if (enumField(StepState, state) === outcome) return true;
    session.note(`${stepEndSentence({ kind: "closed", state })}, before the command ended`);
    return false;
  } catch (thrown) {
    noteUnclosed(session, thrown);
    return true;
  }
}
