import { type Denial, denial } from "../../../domain/errors.ts";
import { LIMITS } from "../../../domain/limits.ts";
import { formatProcess } from "../../../domain/process.ts";
import { permits } from "../../../domain/step.ts";
import { addMicros, microsOf } from "../../../domain/time.ts";
import type { OpenStepAct, OpenStepResult } from "../../../ports/ledger.ts";
import type { Connection } from "../connection.ts";
import { readStep } from "../read-step.ts";
import { liveSubtree } from "../subtree.ts";
import { ENTRY, type EntryGuard } from "../tables/entry-table.ts";
import { RUN, type RunRow } from "../tables/run-table.ts";
import { hasExpired, STEP, type StepGuard, type SubtreeRow } from "../tables/step-table.ts";
import type { ActContext } from "./act-context.ts";
import { closeSteps } from "./close.ts";
import { entryRefusal } from "./refusals.ts";

/** What the guards know of the tables, read once. */
type Situation = {
  readonly parent: StepGuard | undefined;
  readonly newest: StepGuard | undefined;
  /** The steps that opening this one closes: the newest attempt with its live descendants. */
  readonly ending: readonly SubtreeRow[];
};

/** The guards stand in the order that the port gives them. */
export function openStep(context: ActContext, act: OpenStepAct): OpenStepResult | Denial {
  const { db } = context;
  const repeated = repeatedRequest(db, act);
  if (repeated !== undefined) return repeated;

  const situation = situationOf(db, act);
  const refusal =
    runGuard(db, act, situation) ??
    entriesGuard(db, act) ??
    parentGuard(act, situation) ??
    attemptGuard(act, situation) ??
    limitsGuard(db, act, situation) ??
    expiryGuard(act);
  return refusal ?? record(context, act, situation);
}

function record(context: ActContext, act: OpenStepAct, { ending }: Situation): OpenStepResult {
  const { step, now } = act;
  context.append({ type: "decision.made", v: 1, at: now, decision: act.decision });
  const [newest] = ending;
  const superseded =
    newest === undefined
      ? undefined
      : closeSteps(context, [newest.sequence], {
          state: "SUPERSEDED",
          reason: "superseded",
          by: { kind: "broker", cause: "attempt" },
          now,
        });
  const sequence = context.append({ type: "step.opened", v: 1, at: now, step });
  return {
    kind: "opened",
    step: readStep(context.db, sequence),
    ...(superseded === undefined ? {} : { superseded }),
  };
}

function repeatedRequest(db: Connection, { step, now }: OpenStepAct): OpenStepResult | Denial | undefined {
  if (step.requestId === undefined) return undefined;
  const earlier = db.get<StepGuard>(STEP.guardByRequest, {
    entryId: step.openerEntryId,
    process: formatProcess(step.opener),
    requestId: step.requestId,
  });
  if (earlier === undefined || hasExpired(earlier.expiresAt, now)) return undefined;
  if (earlier.requestDigest !== (step.requestDigest ?? null)) {
    return denial("REQUEST_ID_REUSED", "this request_id was used for a different request");
  }
  return { kind: "existing", step: readStep(db, earlier.sequence) };
}

function situationOf(db: Connection, { step }: OpenStepAct): Situation {
  const parent =
    step.parentStepId === undefined ? undefined : db.get<StepGuard>(STEP.guardById, { stepId: step.parentStepId });
  const newest = db.get<StepGuard>(STEP.guardNewestAttempt, { runId: step.runId, step: step.step });
  return { parent, newest, ending: newest === undefined ? [] : liveSubtree(db, newest.sequence) };
}

function runGuard(db: Connection, { step }: OpenStepAct, { parent }: Situation): Denial | undefined {
  const run = db.get<RunRow>(RUN.byId, { runId: step.runId });
  if (run === undefined) return undefined;
  if (run.barredSequence !== null) return denial("NOT_ENTITLED", "the run was revoked");
  if (run.entryId === null || run.entryId === step.openerEntryId) return undefined;
  const isDelegated = parent !== undefined && parent.runId === step.runId && permits(parent.state);
  return isDelegated ? undefined : denial("NOT_ENTITLED", "the run belongs to another");
}

function entriesGuard(db: Connection, { decidedOn }: OpenStepAct): Denial | undefined {
  for (const { entryId, revision } of decidedOn) {
    const refusal = entryRefusal(db, entryId, revision);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function parentGuard({ step }: OpenStepAct, { parent, ending }: Situation): Denial | undefined {
  if (step.parentStepId === undefined) return undefined;
  if (parent === undefined) return denial("DELEGATION_REFUSED", "no such parent step");
  if (!permits(parent.state)) return denial("DELEGATION_REFUSED", `the parent step is ${parent.state}`);
  if (parent.expiresAt < step.expiresAt) return denial("DELEGATION_REFUSED", "the parent step ends before");
  // A step that replaced its own ancestor would be left without one.
  const endsWithThis = ending.some((one) => one.sequence === parent.sequence);
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

function limitsGuard(db: Connection, act: OpenStepAct, { ending }: Situation): Denial | undefined {
  const { step, openStepsMax } = act;
  const entry = db.get<EntryGuard>(ENTRY.guard, { entryId: step.openerEntryId });
  const freedOfEntry = ending.filter((one) => one.openerEntryId === step.openerEntryId).length;
  if (entry !== undefined && entry.openSteps - freedOfEntry >= openStepsMax) {
    return denial("LIMIT_EXCEEDED", `at most ${openStepsMax} open steps for one registration entry`);
  }
  if (step.executor.kind === "any") return undefined;
  const executor = formatProcess(step.executor.process);
  const open = db.get<{ readonly count: number }>(STEP.liveOfExecutorCount, { executor })?.count ?? 0;
  const freedOfExecutor = ending.filter((one) => one.executor === executor).length;
  if (open - freedOfExecutor >= LIMITS.openStepsPerExecutorMax) {
    return denial("LIMIT_EXCEEDED", `at most ${LIMITS.openStepsPerExecutorMax} open steps for one executor`);
  }
  return undefined;
}

function expiryGuard({ step, now }: OpenStepAct): Denial | undefined {
  // Written as "not enough", so that a NaN is refused.
  const isEnough = microsOf(step.expiresAt) >= addMicros(now, LIMITS.stepSecondsLeftMin * 1_000_000);
  return isEnough ? undefined : denial("STEP_EXPIRING", `less than ${LIMITS.stepSecondsLeftMin} s would be left`);
}
