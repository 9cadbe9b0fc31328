import {
  isStintError,
  type OutcomeOf,
  type Step,
  StintError,
  segment,
  type WithStepOptions,
} from "../runtime/index.ts";
import { opinionOf } from "../runtime/outcome.ts";
import { stepNameOf, type ToolCall } from "./tool-call.ts";
import { ToolRefusal, toolRefusalOf } from "./tool-refusal.ts";
import { type ToolRun, toolRunOf } from "./tool-run.ts";

/** What the step of one call asks for; its names, attempt and signal are the call's. */
export type CallStepOptions = Omit<
  WithStepOptions,
  "runId" | "step" | "attempt" | "signal" | "requestId" | "parentToken"
>;

/** What a call of each tool asks for, by the tool's name; or a function of the call, for grants that depend on its input. */
export type CallSteps<Tool extends string = string> = Readonly<
  Record<Tool, CallStepOptions | ((call: ToolCall) => CallStepOptions)>
>;

/** By which steps tools work. */
export type ToolSettings<Tool extends string = string> = {
  /** For runs with a step for each call: a tool that is not named here is refused there. */
  readonly calls?: Partial<CallSteps<Tool>> | undefined;
  /** Absent: the run that the tool is called in, see `inToolRun`. */
  readonly run?: ToolRun | undefined;
};

/** What a tool does in its step. @param signal - aborts with the step and with the call. */
export type CallWork<Result> = (step: Step, signal: AbortSignal) => Promise<Result> | Result;

/** Who supersedes an attempt may be superseded in the same moment; more often than this it is no retry. */
const SUPERSEDING_TRIES_MAX = 4;

/**
 * Works on one call of a tool: in a step of its own, opened here and closed with the outcome before this returns, or in the step of the
 * run. `currentStep()` is that step meanwhile.
 *
 * A call that is made again while an earlier attempt is open supersedes it: the credentials of that one are revoked, and its result does
 * not count.
 *
 * @param outcomeOf - what a framework's pauses and results say, for calls whose settings have none of their own.
 * @throws what `work` threw; of a call that waits for an approval, in a step of its own, the ToolRefusal that says that this has ended;
 * StintError NO_CURRENT_STEP outside of every run, INVALID_FIELD for a tool without settings, and as `withStep`
 */
export async function workOnCall<Result>(
  call: ToolCall,
  { calls, run: given }: ToolSettings,
  work: CallWork<Result>,
  outcomeOf?: OutcomeOf,
): Promise<Result> {
  const run = toolRunOf(given);
  if ("step" in run) return workInRunsStep(run.step, call, work);
  const options = optionsFor(call, calls);
  const { opener, runId } = run;
  const { signal } = call;
  // Named only where there is one: otherwise it is the client's.
  const named = {
    ...(outcomeOf !== undefined && { outcomeOf }),
    ...options,
    runId: segment(runId),
    step: stepNameOf(call),
    signal,
  };
  return withNewAttempt(call.attempt, (attempt, began) =>
    opener.withStep({ ...named, attempt }, (step) => {
      began();
      const inStep = () => endingApprovals(call.tool, () => work(step, step.signal));
      return unlessEnded(step, named.outcomeOf, inStep);
    }),
  );
}

/** @throws what `work` threw; the reason why the step ended, where it did under the call */
async function workInRunsStep<Result>(step: Step, call: ToolCall, work: CallWork<Result>): Promise<Result> {
  const signal = call.signal === undefined ? step.signal : AbortSignal.any([step.signal, call.signal]);
  signal.throwIfAborted();
  const result = await step.run(() => unlessEnded(step, undefined, () => work(step, signal)));
  // Somebody else may be doing the run again: what comes after its end does not count.
  if (isStintError(step.signal.reason)) throw step.signal.reason;
  return result;
}

/** What fails because its step has ended is told by that end, not by what the end broke. A pause stays one. */
async function unlessEnded<Result>(
  { signal }: Step,
  outcomeOf: OutcomeOf | undefined,
  work: () => Promise<Result> | Result,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!isStintError(signal.reason) || opinionOf({ kind: "threw", error }, outcomeOf) !== undefined) throw error;
    throw signal.reason;
  }
}

/** An approval is for a call in its step: nothing waits for it once a step that is the call's own has ended. */
async function endingApprovals<Result>(tool: string, work: () => Promise<Result> | Result): Promise<Result> {
  try {
    return await work();
  } catch (thrown) {
    const { refusal } = toolRefusalOf(thrown, tool) ?? {};
    if (refusal?.approvalId === undefined) throw thrown;
    throw new ToolRefusal({ ...refusal, approvalEnded: true });
  }
}

function optionsFor(call: ToolCall, calls: ToolSettings["calls"]): CallStepOptions {
  const options = calls !== undefined && Object.hasOwn(calls, call.tool) ? calls[call.tool] : undefined;
  if (options === undefined) {
    const message = `calls: nothing is said of the tool ${call.tool}, so a step for its call can't be opened`;
    throw new StintError("INVALID_FIELD", message, { metadata: { field: "calls" } });
  }
  return typeof options === "function" ? options(call) : options;
}

/** @param attempt - of the framework; without one an attempt that is still open is superseded. */
async function withNewAttempt<Result>(
  attempt: number | undefined,
  open: (attempt: number | undefined, began: () => void) => Promise<Result>,
): Promise<Result> {
  let next = attempt;
  for (let tries = 1; ; tries += 1) {
    let hasBegun = false;
    const began = () => {
      hasBegun = true;
    };
    try {
      return await open(next, began);
    } catch (thrown) {
      const newest = attempt === undefined && !hasBegun ? openAttemptIn(thrown) : undefined;
      if (newest === undefined || tries === SUPERSEDING_TRIES_MAX) throw thrown;
      next = newest + 1;
    }
  }
}

/** The number of the newest attempt, where it stands in the way of another. */
function openAttemptIn(thrown: unknown): number | undefined {
  if (!isStintError(thrown, "STEP_EXISTS") && !isStintError(thrown, "STALE_ATTEMPT")) return undefined;
  const attempt = Number(thrown.metadata["attempt"]);
  return Number.isSafeInteger(attempt) && attempt > 0 ? attempt : undefined;
}
