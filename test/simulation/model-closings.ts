import type { StepClosed } from "../../src/domain/ledger-event.ts";
import { microsOf } from "../../src/domain/time.ts";
import {
  approvalOf,
  type History,
  isLiveBut,
  isStanding,
  type ModelStep,
  note,
  openInEachScope,
  promise,
} from "./model-history.ts";

/** What the events say of how steps end. */
export type ModelClosings = { close(event: StepClosed, sequence: number): void };

export function createModelClosings(history: History): ModelClosings {
  const { steps, credentials, decisions, policies, facts } = history;

  function subtreeOf(stepId: string): readonly ModelStep[] {
    const root = steps.get(stepId);
    if (root === undefined || !isStanding(root)) return [];
    const children = [...steps.values()].filter((one) => one.step.parentStepId === stepId);
    return [root, ...children.flatMap((one) => subtreeOf(one.step.stepId))];
  }

  /** Of a step that was judged anew; what a grant puts out of bounds is held against that grant. */
  function closedByPolicy({ stepId, decisionId = "" }: StepClosed, root: ModelStep): void {
    const decision = decisions.get(decisionId);
    promise(decision !== undefined, "what policy closes has a decision that says why");
    note(history, decision.effect === "allow" ? "put out of bounds" : "closed when judged");
    if (decision.effect === "allow") return;
    promise(decision.stepId === stepId, "what policy closes has a deny of its own");
    const classes = facts.classesAround(root.step);
    const at = decision.situation?.at ?? decision.decidedAt;
    // Steps that are judged together count each other, though one that is denied is closed before the next.
    const stepsOpen = openInEachScope(history, root, at);
    const question = { at, stepsOpen, classes, approved: approvalOf(root) };
    promise(!policies.permits(root.step, question), "policy closes what it does not permit");
  }

  return {
    close(event, sequence) {
      const { at, reason, state, by } = event;
      const subtree = subtreeOf(event.stepId);
      const [root] = subtree;
      promise(root !== undefined, "what is closed was open");
      promise(event.count === subtree.length, "a close takes the live descendants along, all of them and no others");
      const cause = by.kind === "broker" ? by.cause : undefined;
      if (cause === "policy") closedByPolicy(event, root);
      if (cause === "expiry") promise(at >= microsOf(root.step.expiresAt), "expired means expired");
      if (cause === "lease") promise(at >= (root.leaseExpiresAt ?? Infinity), "so does lapsed");
      promise(state !== "REFUSED" || root.state === "PENDING_APPROVAL", "only what waits is refused");
      if (cause === "hold") promise(root.held, "only what was held needs a hold");
      for (const one of subtree) if (one.state === "OPEN") facts.closing(one.step);
      let revoked = 0;
      for (const one of subtree) {
        const isOutcome = state === "COMPLETED" || state === "FAILED";
        one.state = one !== root && isOutcome ? "CANCELLED" : state;
        one.closed = { sequence, at, reason };
        note(history, one.state);
        for (const credential of credentials.values()) {
          if (credential.stepId !== one.step.stepId || !isLiveBut(credential, at)) continue;
          credential.revoked = { sequence, at, reason };
          revoked += credential.undelivered ? 0 : 1;
        }
      }
      promise(event.revoked === revoked, "a close says how many credentials it took back");
    },
  };
}
