import { sha256Hex } from "./digest.ts";
import type { LedgerEvent } from "./ledger-event.ts";
import type { LegalHold } from "./legal-hold.ts";
import type { UnixMicros } from "./time.ts";

/** What may be pruned after a time of its own. Whatever is in no class is kept for good: entries, authorities, policies, principals, acts of operators. */
export const RETENTION_CLASSES = ["issuances", "steps", "decisions", "calls", "deliveries"] as const;
export type RetentionClass = (typeof RETENTION_CLASSES)[number];

const CLASS_OF: { readonly [Type in LedgerEvent["type"]]?: RetentionClass } = {
  "issuance.recorded": "issuances",
  "issuance.undelivered": "issuances",
  "issuance.revoked": "issuances",
  "exchange.intended": "issuances",
  "exchange.answered": "issuances",
  "exchange.ended": "issuances",
  "step.opened": "steps",
  "step.pending": "steps",
  "step.approved": "steps",
  "step.refused": "steps",
  "step.held": "steps",
  "step.renewed": "steps",
  "step.closed": "steps",
  "decision.made": "decisions",
  "steps.judged": "decisions",
  "call.pending": "calls",
  "call.approved": "calls",
  "call.refused": "calls",
  "usage.reported": "calls",
  "receipts.taken": "deliveries",
  "closure.reached": "deliveries",
  "events.delivered": "deliveries",
};

/** The class of a type of event; `undefined`: its events are kept for good. */
function retentionClassOf(type: LedgerEvent["type"]): RetentionClass | undefined {
  return CLASS_OF[type];
}

/** The types of a class. */
export function typesOf(name: RetentionClass): readonly string[] {
  return Object.entries(CLASS_OF).flatMap(([type, one]) => (one === name ? [type] : []));
}

/** Of each class: events that are over since before this instant may go. A class that is not named is kept. */
export type Cutoffs = { readonly [Class in RetentionClass]?: UnixMicros };

/** Shorter than this nothing is kept: credentials, steps and what is still to be told of them are over by then. */
export const RETENTION_SECONDS_MIN = 86_400;

/** What an event is about, in the ids that it says. */
export type Concerns = {
  readonly things: readonly { readonly kind: "step" | "issuance" | "exchange" | "approval"; readonly id: string }[];
  readonly runId?: string;
  readonly agent?: string;
};

/** @returns `undefined` for an event that does not say whom it concerns: it concerns everybody. */
export function concernsOf(event: LedgerEvent): Concerns | undefined {
  switch (event.type) {
    case "step.opened":
    case "step.pending":
      return only("step", event.step.stepId);
    case "step.approved":
    case "step.refused":
    case "step.held":
    case "step.renewed":
    case "step.closed":
      return only("step", event.stepId);
    case "steps.judged":
      return only("step", ...event.stepIds);
    case "decision.made": {
      const { stepId, runId, agent } = event.decision;
      return {
        ...(stepId === undefined ? NOBODY : only("step", stepId)),
        ...(runId === undefined ? {} : { runId }),
        ...(agent === undefined ? {} : { agent }),
      };
    }
    case "issuance.recorded":
      return only("issuance", event.issuance.issuanceId);
    case "issuance.undelivered":
    case "issuance.revoked":
      return only("issuance", event.issuanceId);
    case "exchange.intended":
      return only("exchange", event.exchange.exchangeId);
    case "exchange.answered":
    case "exchange.ended":
      return only("exchange", event.exchangeId);
    case "call.pending":
      return only("approval", event.pending.approvalId);
    case "call.approved":
    case "call.refused":
      return only("approval", event.approvalId);
    case "usage.reported":
      return only("step", ...event.usages.map(({ stepId }) => stepId));
    case "events.delivered":
      return NOBODY;
    default:
      return undefined;
  }
}

const NOBODY: Concerns = { things: [] };

function only(kind: Concerns["things"][number]["kind"], ...ids: readonly string[]): Concerns {
  return { things: ids.map((id) => ({ kind, id })) };
}

/** A step or a credential that an event is about, as the tables have it. */
export type Concerned = {
  /** Absent: it is alive. */
  readonly endedAt?: UnixMicros;
  readonly runId?: string;
  readonly agent?: string;
  readonly principalId?: string;
};

/** An event whose content is still there. */
export type PruningCandidate = {
  readonly sequence: number;
  readonly type: LedgerEvent["type"];
  readonly recordedAt: UnixMicros;
  /** Absent for an event that does not say whom it concerns. */
  readonly concerned?: readonly Concerned[];
};

/**
 * Whether what an event says may be deleted: its class has a time, the event and all that it is about have been over for that
 * long, and nobody holds any of it. An event that does not say whom it concerns is held by every hold.
 */
export function mayBePruned(candidate: PruningCandidate, cutoffs: Cutoffs, holds: readonly LegalHold[]): boolean {
  const { type, recordedAt, concerned } = candidate;
  const named = retentionClassOf(type);
  const cutoff = named === undefined ? undefined : cutoffs[named];
  if (cutoff === undefined || recordedAt >= cutoff) return false;
  if (concerned === undefined) return holds.length === 0;
  return concerned.every(
    (one) => one.endedAt !== undefined && one.endedAt < cutoff && !holds.some((hold) => isHeld(one, hold)),
  );
}

function isHeld({ runId, agent, principalId }: Concerned, { scope, value }: LegalHold): boolean {
  return value === { run: runId, agent, principal: principalId }[scope];
}

/** Sequences, ascending, as ranges. */
export function rangesOf(sequences: readonly number[]): readonly (readonly [number, number])[] {
  const ranges: [number, number][] = [];
  for (const sequence of sequences) {
    const last = ranges.at(-1);
    if (last?.[1] === sequence - 1) last[1] = sequence;
    else ranges.push([sequence, sequence]);
  }
  return ranges;
}

/** The digest by which a pruning names what stays of the events that it prunes; ascending. */
export function prunedDigest(events: readonly Pick<PruningCandidate, "sequence" | "type" | "recordedAt">[]): string {
  return sha256Hex(events.map(({ sequence, type, recordedAt }) => `${sequence} ${recordedAt} ${type}\n`).join(""));
}
