import type { LedgerEvent } from "../../src/domain/ledger-event.ts";
import type { LegalHold } from "../../src/domain/legal-hold.ts";
import type { EventsPruned } from "../../src/domain/retention-event.ts";
import { isClosed, type OpenedStep } from "../../src/domain/step.ts";
import { microsOf, type UnixMicros } from "../../src/domain/time.ts";
import type { ModelCallApprovals } from "./model-call-approvals.ts";
import { type History, type ModelCredential, note, promise } from "./model-history.ts";

/** What the events say of the log's own length. */
export type ModelRetention = {
  /** Sequences of events whose content is gone. */
  readonly pruned: ReadonlySet<number>;
  readonly holds: ReadonlyMap<string, LegalHold>;
  take(event: LedgerEvent, sequence: number): void;
};

/** What an event is about, all that must be over before it goes. */
type About = {
  readonly steps: readonly OpenedStep[];
  readonly credentials: readonly ModelCredential[];
  /** Of a decision on a step that was never opened. */
  readonly named?: { readonly runId?: string; readonly agent?: string };
};

/** Everything else is kept for good. */
const PRUNABLE: ReadonlySet<LedgerEvent["type"]> = new Set<LedgerEvent["type"]>([
  ...(["issuance.recorded", "issuance.undelivered", "issuance.revoked"] as const),
  ...(["step.opened", "step.pending", "step.approved", "step.refused", "step.held", "step.renewed"] as const),
  ...(["step.closed", "steps.judged", "decision.made", "call.pending", "call.approved", "call.refused"] as const),
  ...(["usage.reported", "receipts.taken", "closure.reached", "events.delivered"] as const),
]);

export function createModelRetention(history: History, approvals: Pick<ModelCallApprovals, "all">): ModelRetention {
  const { steps, credentials } = history;
  const events: LedgerEvent[] = [];
  const pruned = new Set<number>();
  const holds = new Map<string, LegalHold>();
  let snapshot = 0;

  const ofSteps = (...ids: readonly (string | undefined)[]): About => ({
    steps: ids.flatMap((id) => steps.get(id ?? "")?.step ?? []),
    credentials: [],
  });
  function ofCredential(issuanceId: string): About {
    const one = credentials.get(issuanceId);
    return one === undefined ? ofSteps() : { ...ofSteps(one.stepId), credentials: [one] };
  }
  const ofApproval = (approvalId: string) => ofSteps(approvals.all.get(approvalId)?.pending.stepId);

  /** `undefined`: it concerns everybody. */
  function aboutOf(event: LedgerEvent): About | undefined {
    switch (event.type) {
      case "step.opened":
      case "step.pending":
        return ofSteps(event.step.stepId);
      case "steps.judged":
        return ofSteps(...event.stepIds);
      case "decision.made": {
        const { stepId, runId, agent } = event.decision;
        const named = { ...(runId === undefined ? {} : { runId }), ...(agent === undefined ? {} : { agent }) };
        return { ...ofSteps(stepId), named };
      }
      case "issuance.recorded":
        return ofCredential(event.issuance.issuanceId);
      case "issuance.undelivered":
      case "issuance.revoked":
        return ofCredential(event.issuanceId);
      case "call.pending":
        return ofApproval(event.pending.approvalId);
      case "call.approved":
      case "call.refused":
        return ofApproval(event.approvalId);
      case "usage.reported":
        return ofSteps(...event.usages.map(({ stepId }) => stepId));
      case "receipts.taken":
      case "closure.reached":
        return undefined;
      default:
        return "stepId" in event ? ofSteps(event.stepId) : ofSteps();
    }
  }

  function isHeld({ steps: all, named = {} }: About): boolean {
    return [...holds.values()].some(({ scope, value }) => {
      if (scope === "principal") return all.some(({ principal }) => principal?.principalId === value);
      const name = scope === "run" ? "runId" : "agent";
      return named[name] === value || all.some((step) => step[name] === value);
    });
  }

  function prune(sequence: number, at: UnixMicros): void {
    const event = events[sequence - 1];
    promise(event !== undefined && sequence <= snapshot, "nothing is pruned that no snapshot has");
    promise(PRUNABLE.has(event.type), `what explains the others is kept for good: ${event.type}`);
    promise(event.at < at && !pruned.has(sequence), "what is pruned is of before, and is pruned once");
    pruned.add(sequence);
    const about = aboutOf(event);
    promise(about === undefined ? holds.size === 0 : !isHeld(about), `nothing is pruned that is held: ${event.type}`);
    for (const { stepId } of about?.steps ?? []) {
      const state = steps.get(stepId)?.state ?? "OPEN";
      promise(isClosed(state), `nothing is pruned of a step that goes on: ${event.type}`);
    }
    for (const { record } of about?.credentials ?? []) {
      promise(microsOf(record.expiresAt) <= at, "nothing is pruned of a credential whose time is not over");
    }
  }

  function pruneAll({ ranges, count, at }: EventsPruned): void {
    const before = pruned.size;
    for (const [first, last] of ranges) for (let one = first; one <= last; one += 1) prune(one, at);
    promise(pruned.size - before === count, "a pruning says how much is gone");
    note(history, "events gone", count);
  }

  return {
    pruned,
    holds,
    take(event, sequence) {
      events.push(event);
      switch (event.type) {
        case "snapshot.taken":
          promise(snapshot < event.through && event.through < sequence, "a snapshot is newer than the last");
          snapshot = event.through;
          return;
        case "hold.placed":
          return void holds.set(event.hold.holdId, event.hold);
        case "hold.lifted":
          return void holds.delete(event.holdId);
        case "events.pruned":
          return pruneAll(event);
        default:
      }
    },
  };
}
