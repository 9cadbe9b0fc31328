import { LIMITS } from "./limits.ts";
import type { UnixMicros } from "./time.ts";

/** The lists of the past that an operator can ask for. */
export const HISTORY_LISTS = ["issuances", "steps", "decisions", "events", "exchanges", "usage"] as const;
export type HistoryList = (typeof HISTORY_LISTS)[number];

const OF_STEPS = ["issuances", "steps", "decisions", "events", "exchanges", "usage"] as const;
const OF_GRANTS = ["issuances", "steps", "decisions"] as const;

/**
 * By what rows are told apart, and which lists have it. A step's name, agent, runtime, principal and workflow are also those of whatever
 * belongs to the step.
 */
export const HISTORY_FIELDS = {
  run: OF_STEPS,
  step: OF_STEPS,
  step_id: OF_STEPS,
  attempt: OF_STEPS,
  agent: OF_STEPS,
  /** Name of the runtime's entry by which the step was opened. */
  runtime: OF_STEPS,
  /** Its id in the ledger, which is a digest. */
  principal: OF_STEPS,
  workflow: OF_STEPS,
  /** What the grant names, and so a tool that it covers by `*`; of usage what was called. */
  tool: [...OF_GRANTS, "usage"],
  action: [...OF_GRANTS, "usage"],
  data_class: OF_GRANTS,
  audience: OF_GRANTS,
  /** This one, and all below it: whole segments of the path. */
  spiffe_id: ["issuances", "steps"],
  kind: ["issuances", "exchanges"],
  /** What became of it: see `OUTCOMES`. */
  outcome: ["issuances", "steps", "decisions", "exchanges", "usage"],
  /** Why it was taken back, closed or refused. */
  reason: OF_GRANTS,
  /** The decision that allowed the step. */
  decision: [...OF_GRANTS, "events", "exchanges"],
  policy_digest: OF_GRANTS,
  /** One that determined a decision. */
  policy: ["decisions"],
  /** What was asked for: open, issue, attest, administer, judge or call. */
  act: ["decisions"],
  /** The entry by which it was opened or asked for, or that it was issued to. */
  entry: OF_GRANTS,
  issuance: ["issuances", "events", "exchanges"],
  jti: ["issuances", "events"],
  serial: ["issuances", "events"],
  authority: ["issuances"],
  /** SHA-256 of the SubjectPublicKeyInfo that it, or a credential of the step, was issued for, hexadecimal. */
  key: ["issuances", "steps"],
  /** The opener's, or the executor's, in the text of `formatProcess`. */
  process: ["steps"],
  exchange: ["exchanges"],
  target: ["exchanges"],
  /** Name of the verifier's entry that has reported it. */
  verifier: ["usage"],
  type: ["events"],
  /** Words of a purpose, of an approval's or a refusal's reason, of what a caller was told: all of them, in any order. */
  text: ["steps", "decisions"],
} as const satisfies Readonly<Record<string, readonly HistoryList[]>>;
export type HistoryField = keyof typeof HISTORY_FIELDS;

/** What of a row must be, or with `isExcluded` must not be, one of these values. A row without any value is not excluded. */
export type HistoryTerm = {
  readonly field: HistoryField;
  readonly values: readonly string[];
  readonly isExcluded: boolean;
};

/** Which rows are meant: those for which all of this holds. */
export type HistoryTerms = {
  readonly terms?: readonly HistoryTerm[];
  /** Only what was open, or could have been presented, at that instant. */
  readonly liveAt?: UnixMicros;
  /** Only what is of one of these steps, or of a step that was delegated from one, at any depth. */
  readonly descendantsOf?: readonly string[];
};

/** Lists of which each row begins and ends, so that it is alive at some instants and not at others. */
const LISTS_OF_LIVES: readonly HistoryList[] = ["issuances", "steps", "exchanges"];

/** How long something of a row lasted, and which lists have it. */
export const HISTORY_SPANS = {
  /** From being issued to the end of the validity. */
  validity: ["issuances"],
  /** Of what was delivered: from being issued until it was taken back, its step was closed, or its validity ended. */
  usable: ["issuances"],
  /** Of what is closed: from being opened. */
  open: ["steps"],
  /** From the close until it was recorded that nobody accepts any more what it closed. */
  closure: ["steps"],
} as const satisfies Readonly<Record<string, readonly HistoryList[]>>;
export type HistorySpan = keyof typeof HISTORY_SPANS;

export function hasSpan(list: HistoryList, span: HistorySpan): boolean {
  return (HISTORY_SPANS[span] as readonly HistoryList[]).includes(list);
}

/**
 * By these a ledger finds the few rows that they name without looking at others; `descendantsOf` is one of them everywhere but in usage,
 * which is small.
 */
const FOUND_AT_ONCE: Readonly<Record<HistoryList, readonly HistoryField[]>> = {
  issuances: ["run", "step_id", "issuance", "jti", "serial"],
  steps: ["run", "step_id"],
  decisions: ["run", "decision"],
  events: ["run", "step_id", "decision", "issuance", "jti", "serial"],
  exchanges: ["run", "step_id", "exchange"],
  usage: ["run", "step_id"],
};

export function isFoundAtOnce(list: HistoryList, { terms = [], descendantsOf }: HistoryTerms): boolean {
  const isOne = ({ field, isExcluded }: HistoryTerm) => !isExcluded && FOUND_AT_ONCE[list].includes(field);
  return descendantsOf !== undefined || terms.some(isOne);
}

export function hasField(list: HistoryList, field: HistoryField): boolean {
  return (HISTORY_FIELDS[field] as readonly HistoryList[]).includes(list);
}

/** Whether a list's rows are told apart by the values of a field, so that they can be counted by them. */
export function isGroupedBy(list: HistoryList, field: HistoryField): boolean {
  if (field === "text") return false;
  return hasField(list, field) && (list !== "events" || field === "type");
}

/** Of which a row of these lists may have several values, or none. */
const OF_SEVERAL: { readonly [Field in HistoryField]?: readonly HistoryList[] } = {
  tool: OF_GRANTS,
  action: OF_GRANTS,
  data_class: OF_GRANTS,
  audience: OF_GRANTS,
  policy: ["decisions"],
  entry: ["issuances", "steps"],
  key: ["steps"],
  process: ["steps"],
};

/** Whether a row can be in several groups of a field, so that what the groups count together is not how many rows there are. */
export function hasSeveral(list: HistoryList, field: HistoryField): boolean {
  return OF_SEVERAL[field]?.includes(list) ?? false;
}

export function hasLives(list: HistoryList): boolean {
  return LISTS_OF_LIVES.includes(list);
}

/** A row that is alive at an instant was recorded no earlier than this before it: a step that waited, for its whole time. */
export const LIFE_SECONDS_MAX = LIMITS.approvalSecondsMax + LIMITS.stepSecondsMax;
