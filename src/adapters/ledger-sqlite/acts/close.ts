import type { Denial } from "../../../domain/errors.ts";
import type { Actor, StepClosed } from "../../../domain/ledger-event.ts";
import { formatProcess } from "../../../domain/process.ts";
import type { RevocationReason } from "../../../domain/revocation.ts";
import type { ClosedState } from "../../../domain/step.ts";
import type { UnixMicros } from "../../../domain/time.ts";
import type { CloseAct, CloseResult, CloseTarget } from "../../../ports/ledger.ts";
import { recordedClose } from "../recorded-close.ts";
import { digestOf, heldByStep, liveSubtree, rootsAmong } from "../subtree.ts";
import { RUN, type RunRow } from "../tables/run-table.ts";
import { hasExpired, STEP, type StepGuard } from "../tables/step-table.ts";
import { liveStepsOf } from "../targets.ts";
import type { ActContext } from "./act-context.ts";
import { stepNotFound } from "./refusals.ts";

/** A list of step ids in an answer ends here; the counts are whole. */
export const LISTED_STEPS_MAX = 1_000;

export type Ending = {
  readonly state: ClosedState;
  readonly reason: RevocationReason;
  readonly by: Actor;
  readonly now: UnixMicros;
};

export function close(context: ActContext, act: CloseAct): CloseResult | Denial {
  const { db } = context;
  const { target } = act;
  if (target.kind !== "steps") return closeAll(context, act, target);

  const steps: StepGuard[] = [];
  for (const stepId of target.stepIds) {
    const step = db.get<StepGuard>(STEP.guardById, { stepId });
    if (step === undefined) return stepNotFound();
    steps.push(step);
  }
  const live = steps.filter((step) => step.closedSequence === null);
  if (live.length === 0 && steps.length > 0) return alreadyClosed(context, target.stepIds);
  const due = live.filter((step) => isDue(step, act.onlyIf)).map((step) => step.sequence);
  return closeSteps(context, due, act);
}

/**
 * Closes by what the steps have in common. What this does beyond closing steps is in events of its own: a run is barred,
 * and an operator's order by entry, process or principal is named.
 */
function closeAll(
  context: ActContext,
  act: CloseAct,
  target: Exclude<CloseTarget, { readonly kind: "steps" }>,
): CloseResult {
  const { db } = context;
  const { by, now } = act;
  let sequence = 0;
  if (target.kind === "run") {
    const run = db.get<RunRow>(RUN.byId, { runId: target.runId });
    const isBarred = run !== undefined && run.barredSequence !== null;
    if (!isBarred) sequence = context.append({ type: "run.barred", v: 1, at: now, runId: target.runId, by });
  } else if (by.kind === "operator") {
    const named = { act: "close", target: formatTarget(target), reason: act.reason };
    sequence = context.append({ type: "operator.acted", v: 1, at: now, ...named, by });
  }
  const closed = closeSteps(context, liveStepsOf(db, target), act);
  return closed.sequence === 0 ? { ...closed, sequence } : closed;
}

/** Closes these live steps and all their live descendants: one event for each that is no descendant of another. */
export function closeSteps(context: ActContext, steps: readonly number[], ending: Ending): CloseResult {
  const { db } = context;
  const { state, reason, by, now } = ending;
  let sequence = 0;
  let credentialsRevoked = 0;
  const closed: string[] = [];
  const roots: string[] = [];
  for (const root of rootsAmong(db, steps)) {
    const subtree = liveSubtree(db, root);
    const [first, ...descendants] = subtree;
    if (first === undefined) continue;
    const revoked = subtree.reduce((sum, step) => sum + heldByStep(db, step.sequence, now).live, 0);
    const event: StepClosed = {
      type: "step.closed",
      v: 1,
      at: now,
      stepId: first.stepId,
      state,
      reason,
      count: subtree.length,
      digest: digestOf(subtree),
      revoked,
      by,
    };
    sequence = context.append(event);
    credentialsRevoked += revoked;
    roots.push(first.stepId);
    closed.push(...descendants.map((step) => step.stepId));
  }
  return {
    kind: "closed",
    sequence,
    closedAt: now,
    alreadyClosed: false,
    stepsClosed: roots.length + closed.length,
    credentialsRevoked,
    stepIds: [...roots, ...closed].slice(0, LISTED_STEPS_MAX),
  };
}

/** What was recorded when each was closed, as one answer. */
function alreadyClosed({ db }: ActContext, stepIds: readonly string[]): CloseResult {
  const closes = new Map<number, CloseResult>();
  for (const stepId of stepIds) {
    const recorded = recordedClose(db, stepId, LISTED_STEPS_MAX);
    if (recorded !== undefined) closes.set(recorded.sequence, recorded);
  }
  const all = [...closes.values()];
  return {
    kind: "closed",
    sequence: Math.max(...all.map((one) => one.sequence)),
    closedAt: Math.max(...all.map((one) => one.closedAt)) as UnixMicros,
    alreadyClosed: true,
    stepsClosed: all.reduce((sum, one) => sum + one.stepsClosed, 0),
    credentialsRevoked: all.reduce((sum, one) => sum + one.credentialsRevoked, 0),
    stepIds: all.flatMap((one) => one.stepIds).slice(0, LISTED_STEPS_MAX),
  };
}

function isDue(step: StepGuard, onlyIf: CloseAct["onlyIf"]): boolean {
  if (onlyIf === undefined) return true;
  if ("expiredAt" in onlyIf) return hasExpired(step.expiresAt, onlyIf.expiredAt);
  return step.leaseExpiresAt !== null && step.leaseExpiresAt <= onlyIf.leaseExpiredAt;
}

function formatTarget(target: Exclude<CloseTarget, { readonly kind: "steps" } | { readonly kind: "run" }>): string {
  switch (target.kind) {
    case "entry":
      return `entry ${target.entryId}`;
    case "process":
      return `process ${formatProcess(target.process)}`;
    case "principal":
      return `principal ${target.sub} of ${target.iss}`;
  }
}
