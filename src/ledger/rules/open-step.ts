import { type Denial, denial } from "../../domain/errors.ts";
import { treeText } from "../../domain/executor.ts";
import { LIMITS } from "../../domain/limits.ts";
import { formatProcess } from "../../domain/process.ts";
import { hasExpired, isClosed, permits } from "../../domain/step.ts";
import { addMicros, microsOf } from "../../domain/time.ts";
import type { OpenStepAct, OpenStepResult } from "../../ports/ledger-acts.ts";
import { answered, ask, type Deliberation, read, recorded, refused } from "../rule.ts";
import type { GuardedEntry, GuardedRun, GuardedStep, LiveStep } from "../view.ts";
import { type Closing, closingOf } from "./closing.ts";
import { decidedOnRefusal, entriesOf } from "./refusals.ts";

/** What the guards know of the tables. */
type Situation = {
  readonly run: GuardedRun | undefined;
  readonly parent: GuardedStep | undefined;
  readonly newest: GuardedStep | undefined;
  readonly opener: GuardedEntry | undefined;
  /** The entries of `decidedOn`, in the same order. */
  readonly entries: readonly (GuardedEntry | undefined)[];
  readonly openOfExecutor: number;
  /** The steps that opening this step closes: the newest attempt with its live descendants. */
  readonly ending: readonly LiveStep[];
};

/** The guards stand in the order that the port gives them. */
export function* openStep(act: OpenStepAct): Deliberation<OpenStepResult | Denial> {
  const { step, now } = act;
  const { executor, openerEntryId, requestId } = step;
  const { earlier, ...found } = yield* ask({
    earlier: requestId === undefined ? undefined : read("stepByRequest", openerEntryId, step.opener, requestId),
    run: read("run", step.runId),
    parent: step.parentStepId === undefined ? undefined : read("step", step.parentStepId),
    newest: read("newestAttempt", step.runId, step.step),
    opener: read("entry", openerEntryId),
    entries: entriesOf(act.decidedOn),
    openOfExecutor: executor.kind === "any" ? undefined : read("liveStepsOfExecutor", executor.process),
  });
  if (earlier !== undefined && !hasExpired(earlier.expiresAt, now)) return repeatedRequest(act, earlier);

  const { newest } = found;
  const isReplaced = newest !== undefined && !isClosed(newest.state);
  const { ending = [] } = yield* ask({
    ending: isReplaced ? read("liveSteps", { kind: "steps", stepIds: [newest.stepId] }, now) : undefined,
  });
  const situation = { ...found, openOfExecutor: found.openOfExecutor ?? 0, ending };
  const refusal =
    runGuard(act, situation) ??
    decidedOnRefusal(act.decidedOn, situation.entries) ??
    parentGuard(act, situation) ??
    attemptGuard(act, situation) ??
    limitsGuard(act, situation) ??
    expiryGuard(act);
  return refusal === undefined ? opened(act, closingOfOlder(act, situation)) : refused(refusal);
}

function opened({ step, decision, now }: OpenStepAct, { events: closes }: Closing) {
  const events = [
    { type: "decision.made", v: 1, at: now, decision } as const,
    ...closes,
    { type: "step.opened", v: 1, at: now, step } as const,
  ];
  return recorded(events, (first): OpenStepResult => ({ kind: "opened", sequence: first + events.length - 1 }));
}

function closingOfOlder({ now }: OpenStepAct, { ending }: Situation): Closing {
  const by = { kind: "broker", cause: "attempt" } as const;
  return closingOf(ending, { state: "SUPERSEDED", reason: "superseded", by, now });
}

function repeatedRequest({ step }: OpenStepAct, earlier: GuardedStep) {
  return earlier.requestDigest === step.requestDigest
    ? answered<OpenStepResult>({ kind: "existing", stepId: earlier.stepId })
    : refused(denial("REQUEST_ID_REUSED", "this request_id was used for a different request"));
}

function runGuard({ step }: OpenStepAct, { run, parent }: Situation): Denial | undefined {
  if (run === undefined) return undefined;
  if (run.isBarred) return denial("NOT_ENTITLED", "the run was revoked");
  if (run.entryId === undefined || run.entryId === step.openerEntryId) return undefined;
  const isDelegated = parent !== undefined && parent.runId === step.runId && permits(parent.state);
  return isDelegated ? undefined : denial("NOT_ENTITLED", "the run belongs to another");
}

function parentGuard({ step }: OpenStepAct, { parent, ending }: Situation): Denial | undefined {
  if (step.parentStepId === undefined) return undefined;
  if (parent === undefined) return denial("DELEGATION_REFUSED", "no such parent step");
  if (!permits(parent.state)) return denial("DELEGATION_REFUSED", `the parent step is ${parent.state}`);
  if (parent.expiresAt < step.expiresAt) return denial("DELEGATION_REFUSED", "the parent step ends before");
  // A step that replaced its own ancestor would be left without a parent.
  const endsWithThis = ending.some(({ stepId }) => stepId === parent.stepId);
  return endsWithThis ? denial("DELEGATION_REFUSED", "opening this step would close its parent") : undefined;
}

function attemptGuard({ step, supersedes }: OpenStepAct, { newest, ending }: Situation): Denial | undefined {
  if (newest === undefined) return undefined;
  const metadata = { attempt: String(newest.attempt) };
  if (ending.length > 0 && !supersedes) {
    return denial("STEP_EXISTS", `attempt ${newest.attempt} of this step is ${newest.state}`, metadata);
  }
  if (newest.attempt >= step.attempt) {
    return denial("STALE_ATTEMPT", `the newest attempt of this step is ${newest.attempt}`, metadata);
  }
  return undefined;
}

function limitsGuard(
  { step, openStepsMax, executorOpenStepsMax }: OpenStepAct,
  situation: Situation,
): Denial | undefined {
  const { opener, openOfExecutor, ending } = situation;
  const freedOfEntry = ending.filter((one) => one.openerEntryId === step.openerEntryId).length;
  if (opener !== undefined && opener.openSteps - freedOfEntry >= openStepsMax) {
    return denial("LIMIT_EXCEEDED", `at most ${openStepsMax} open steps for one registration entry`);
  }
  if (step.executor.kind === "any") return undefined;
  const executor = formatProcess(step.executor.process);
  const own: readonly (string | undefined)[] = [executor, treeText(executor)];
  const freedOfExecutor = ending.filter((one) => own.includes(one.executor)).length;
  if (openOfExecutor - freedOfExecutor >= executorOpenStepsMax) {
    return denial("LIMIT_EXCEEDED", `at most ${executorOpenStepsMax} open steps for one executor`);
  }
  return undefined;
}

function expiryGuard({ step, now }: OpenStepAct): Denial | undefined {
  // Written as "not enough", so that a NaN is refused.
  const isEnough = microsOf(step.expiresAt) >= addMicros(now, LIMITS.stepSecondsLeftMin * 1_000_000);
  return isEnough
    ? undefined
    : denial(
        "STEP_EXPIRING",
        `at least ${LIMITS.stepSecondsLeftMin} s have to be left once it is open: ask for a few more`,
      );
}
