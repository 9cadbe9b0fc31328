import type { Actor } from "../../domain/actor.ts";
import { withDescendants } from "../../domain/descendants.ts";
import { digestOfIds } from "../../domain/digest.ts";
import type { LedgerEvent, StepClosed } from "../../domain/ledger-event.ts";
import type { RevocationReason } from "../../domain/revocation.ts";
import type { ClosedState } from "../../domain/step.ts";
import type { UnixMicros } from "../../domain/time.ts";
import type { CloseResult } from "../../ports/ledger-acts.ts";
import type { LiveStep } from "../view.ts";
import { writtenFrom } from "./sequenced.ts";

export type Ending = {
  readonly state: ClosedState;
  readonly reason: RevocationReason;
  readonly by: Actor;
  readonly now: UnixMicros;
};

/** What a close records and takes back: one event for each named step that descends from no other named step. */
export type Closing = {
  readonly events: readonly StepClosed[];
  readonly stepsClosed: number;
  readonly credentialsRevoked: number;
};

/**
 * Closes the named steps among these live steps, with all their descendants.
 *
 * @param live - steps with all their live descendants. A live step's ancestors are live, since a close takes all
 *   descendants along, so the parent links among these steps tell which step descends from which.
 * @param isDue - which of the named steps are to be closed.
 */
export function closingOf(
  live: readonly LiveStep[],
  { state, reason, by, now }: Ending,
  isDue: (step: LiveStep) => boolean = () => true,
): Closing {
  const roots = rootsAmong(live, isDue);
  const children = childrenOf(live);
  let stepsClosed = 0;
  let credentialsRevoked = 0;
  const events = roots.map((root): StepClosed => {
    const subtree = withDescendants(root, ({ stepId }) => children.get(stepId) ?? []);
    const revoked = subtree.reduce((sum, step) => sum + step.liveCredentials, 0);
    stepsClosed += subtree.length;
    credentialsRevoked += revoked;
    const digest = digestOfIds(subtree.map((step) => step.stepId));
    const { stepId } = root;
    return { type: "step.closed", v: 1, at: now, stepId, state, reason, count: subtree.length, digest, revoked, by };
  });
  return { events, stepsClosed, credentialsRevoked };
}

/**
 * The answer to an act that closes.
 *
 * @param events - all that the act records.
 */
export function closeResult(
  closing: Closing,
  {
    events,
    first,
    closedAt,
  }: { readonly events: readonly LedgerEvent[]; readonly first: number; readonly closedAt: UnixMicros },
): CloseResult {
  const { stepsClosed, credentialsRevoked } = closing;
  const written = writtenFrom(first, events.length);
  return { kind: "closed", ...written, closedAt, alreadyClosed: false, stepsClosed, credentialsRevoked };
}

/** The named steps that are due and descend from no other step that is due, oldest first. */
function rootsAmong(live: readonly LiveStep[], isDue: (step: LiveStep) => boolean): readonly LiveStep[] {
  const byId = new Map(live.map((step) => [step.stepId, step]));
  const due = new Set(live.filter((step) => step.isNamed && isDue(step)));
  const parentOf = ({ parentStepId }: LiveStep) => (parentStepId === undefined ? undefined : byId.get(parentStepId));
  const hasDueAncestor = (step: LiveStep): boolean => {
    for (let above = parentOf(step); above !== undefined; above = parentOf(above)) if (due.has(above)) return true;
    return false;
  };
  return [...due].filter((step) => !hasDueAncestor(step)).sort((a, b) => a.openedSequence - b.openedSequence);
}

function childrenOf(live: readonly LiveStep[]): ReadonlyMap<string, readonly LiveStep[]> {
  const children = new Map<string, LiveStep[]>();
  for (const step of live) {
    if (step.parentStepId === undefined) continue;
    const siblings = children.get(step.parentStepId);
    if (siblings === undefined) children.set(step.parentStepId, [step]);
    else siblings.push(step);
  }
  return children;
}
