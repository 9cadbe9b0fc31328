import type { Event } from "../../gen/stint/v1/history_pb.js";
import type { GetResponse } from "../../gen/stint/v1/steps_pb.js";

/** What is marked on a step's line, in the order in which a step comes to it, with its words for one and for several. */
export const MARKS = {
  decision: ["decision", "decisions"],
  hold: ["hold", "holds"],
  credential: ["credential", "credentials"],
  revocation: ["revocation", "revocations"],
  receipt: ["receipt", "receipts"],
  closure: ["closure", "closures"],
} as const;
export type MarkKind = keyof typeof MARKS;

export type Mark = {
  readonly kind: MarkKind;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** One of a step's marks has it. */
  readonly key: string;
};

const KINDS: Readonly<Record<string, MarkKind>> = {
  "decision.made": "decision",
  "step.pending": "decision",
  "step.approved": "decision",
  "step.refused": "decision",
  "step.held": "hold",
  "step.renewed": "hold",
  "issuance.recorded": "credential",
  "exchange.intended": "credential",
  "step.closed": "revocation",
  "issuance.revoked": "revocation",
  "exchange.ended": "revocation",
};
/** By these, later events name what an earlier one was about. */
const NAMES = ["issuanceId", "exchangeId", "decisionId"];

/**
 * What of a run's events is to be marked on the line of which step.
 *
 * @param events - oldest first, as they were hashed.
 * @returns by the id of the step.
 */
export function marksOf(events: readonly Event[]): ReadonlyMap<string, readonly Mark[]> {
  const marks = new Map<string, Mark[]>();
  const stepOf = new Map<string, string>();
  for (const { sequence, type, recordedAt, canonical } of events) {
    const kind = KINDS[type];
    // What is pruned is no longer known.
    if (kind === undefined || recordedAt === undefined || canonical.length === 0) continue;
    const members = membersOf(JSON.parse(new TextDecoder().decode(canonical)));
    const names = members.filter(([name]) => NAMES.includes(name)).map(([, value]) => value);
    const step =
      members.find(([name]) => name === "stepId")?.[1] ?? names.map((name) => stepOf.get(name)).find(Boolean);
    if (step === undefined) continue;
    for (const name of names) stepOf.set(name, step);
    marks.set(step, [...(marks.get(step) ?? []), { kind, at: millisOf(recordedAt), key: String(sequence) }]);
  }
  return marks;
}

/** When verifiers applied the end of a step, and when it was recorded that nobody accepts it any more. */
export function endMarksOf({ receipts, closure }: GetResponse): readonly Mark[] {
  const marks: Mark[] = [];
  for (const { verifier, appliedAt } of receipts?.verifiers ?? []) {
    if (appliedAt !== undefined)
      marks.push({ kind: "receipt", at: millisOf(appliedAt), key: `receipt of ${verifier}` });
  }
  if (closure?.reachedAt !== undefined)
    marks.push({ kind: "closure", at: millisOf(closure.reachedAt), key: "closure" });
  return marks;
}

export function millisOf({ seconds, nanos }: { readonly seconds: bigint; readonly nanos: number }): number {
  return Number(seconds) * 1_000 + nanos / 1_000_000;
}

/** Every member of an event that is text, at any depth. */
function membersOf(value: unknown): readonly (readonly [name: string, value: string])[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    typeof inner === "string" ? [[name, inner] as const] : membersOf(inner),
  );
}
