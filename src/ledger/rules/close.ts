import { beganNothing } from "../../domain/awaiting-approval.ts";
import type { Denial } from "../../domain/errors.ts";
import type { LedgerEvent } from "../../domain/ledger-event.ts";
import { formatProcess } from "../../domain/process.ts";
import { type ClosedState, hasExpired, isClosed } from "../../domain/step.ts";
import type { UnixMicros } from "../../domain/time.ts";
import type { CloseAct, CloseResult, CloseTarget } from "../../ports/ledger-acts.ts";
import { answered, ask, type Deliberation, read, recorded, refused } from "../rule.ts";
import type { GuardedStep, RecordedClose } from "../view.ts";
import { closeResult, closingOf } from "./closing.ts";
import { stepNotFound } from "./refusals.ts";

export function* close(act: CloseAct): Deliberation<CloseResult | Denial> {
  return act.target.kind === "steps"
    ? yield* closeSteps(act, act.target.stepIds)
    : yield* closeByWhatTheyShare(act, act.target);
}

function* closeSteps(act: CloseAct, stepIds: readonly string[]): Deliberation<CloseResult | Denial> {
  const { now: closedAt } = act;
  const { steps, live } = yield* ask({
    steps: stepIds.map((stepId) => read("step", stepId)),
    live: read("liveSteps", act.target, act.now),
  });
  const known = new Map<string, GuardedStep>();
  for (const step of steps) {
    if (step === undefined) return refused(stepNotFound());
    known.set(step.stepId, step);
  }
  const isOver = steps.length > 0 && steps.every((step) => step !== undefined && isClosed(step.state));
  if (isOver) {
    const { closes } = yield* ask({ closes: stepIds.map((stepId) => read("closeOf", stepId)) });
    return answered(alreadyClosed(closes));
  }
  const began = [...known.values()].every((step) => step.state !== "PENDING_APPROVAL");
  if (!began && saysHowItWent(act.state)) return refused(beganNothing());
  const closing = closingOf(live, endingOf(act), ({ stepId }) => isDue(known.get(stepId), act.onlyIf));
  const { events } = closing;
  return recorded(events, (first) => closeResult(closing, { events, first, closedAt }));
}

/**
 * Closes the steps that have something in common. An event before the closes records what else the act does: it bars
 * the run, or names an operator's order by entry, process or principal.
 */
function* closeByWhatTheyShare(
  act: CloseAct,
  target: Exclude<CloseTarget, { readonly kind: "steps" }>,
): Deliberation<CloseResult> {
  const { by, now } = act;
  const { run, live } = yield* ask({
    run: target.kind === "run" ? read("run", target.runId) : undefined,
    live: read("liveSteps", target, now),
  });
  const closing = closingOf(live, endingOf(act));
  const before: LedgerEvent[] = [];
  if (target.kind === "run") {
    if (run?.isBarred !== true) before.push({ type: "run.barred", v: 1, at: now, runId: target.runId, by });
  } else if (by.kind === "operator") {
    const named = { act: "close", target: formatTarget(target), reason: act.reason };
    before.push({ type: "operator.acted", v: 1, at: now, ...named, by });
  }
  const events = [...before, ...closing.events];
  return recorded(events, (first) => closeResult(closing, { events, first, closedAt: now }));
}

/** States that are the outcome of work. */
function saysHowItWent(state: ClosedState): boolean {
  return state === "COMPLETED" || state === "FAILED";
}

function endingOf({ state, reason, by, now }: CloseAct) {
  return { state, reason, by, now };
}

/** One answer from what was recorded when each of the steps was closed. */
function alreadyClosed(closes: readonly (RecordedClose | undefined)[]): CloseResult {
  const bySequence = new Map(closes.flatMap((one) => (one === undefined ? [] : [[one.sequence, one]])));
  const all = [...bySequence.values()];
  return {
    kind: "closed",
    firstSequence: Math.min(...all.map((one) => one.sequence)),
    sequence: Math.max(...all.map((one) => one.sequence)),
    closedAt: Math.max(...all.map((one) => one.closedAt)) as UnixMicros,
    alreadyClosed: true,
    stepsClosed: all.reduce((sum, one) => sum + one.stepsClosed, 0),
    credentialsRevoked: all.reduce((sum, one) => sum + one.credentialsRevoked, 0),
  };
}

function isDue(step: GuardedStep | undefined, onlyIf: CloseAct["onlyIf"]): boolean {
  if (onlyIf === undefined) return true;
  if (step === undefined) return false;
  if ("expiredAt" in onlyIf) return hasExpired(step.expiresAt, onlyIf.expiredAt);
  return step.leaseExpiresAt !== undefined && step.leaseExpiresAt <= onlyIf.leaseExpiredAt;
}

function formatTarget(target: Exclude<CloseTarget, { readonly kind: "steps" } | { readonly kind: "run" }>): string {
  switch (target.kind) {
    case "entry":
      return `entry ${target.entryId}`;
    case "process":
      return `process ${formatProcess(target.process)}`;
    case "principal":
      return `principal ${target.principalId}`;
  }
}
