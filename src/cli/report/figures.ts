import type { EVENT_TYPES } from "../../domain/event-types.ts";
import type { HistoryField, HistoryList, HistorySpan } from "../../domain/history-filter.ts";

/**
 * What a report counts: rows of one list of history that were recorded in its period. The command that counts the same, and what the
 * broker is asked, are both made of this.
 */
export type Figure = {
  /** What is counted, as a heading of the number. */
  readonly title: string;
  readonly list: Exclude<HistoryList, "usage">;
  /** All of these hold: each field has this value. */
  readonly where: { readonly [Field in HistoryField]?: string };
  readonly groupBy?: HistoryField;
  /** Tells how long this lasted, of the rows that have it. */
  readonly howLong?: HistorySpan;
  /** Counts what was alive at the end of the period, whenever it was recorded. */
  readonly liveAtEnd?: true;
  /** The same command gives another number later: rows of the period may yet come out otherwise. */
  readonly mayChange?: true;
};

function events(type: (typeof EVENT_TYPES)[number], title: string): Figure {
  return { title, list: "events", where: { type } };
}

/** By the names that the files of `frameworks` use. */
export const FIGURES = {
  everything: { title: "Events recorded, by type", list: "events", where: {}, groupBy: "type" },

  "openings-decided": {
    title: "Openings of steps decided, by outcome",
    list: "decisions",
    where: { act: "open" },
    groupBy: "outcome",
  },
  "calls-decided": {
    title: "Calls of tools decided by the broker, by outcome",
    list: "decisions",
    where: { act: "call" },
    groupBy: "outcome",
  },
  judgements: {
    title: "Decisions about open steps after risk, policies or entries changed, by outcome",
    list: "decisions",
    where: { act: "judge" },
    groupBy: "outcome",
  },
  "refusals-by-reason": {
    title: "Refusals, by reason",
    list: "decisions",
    where: { outcome: "deny" },
    groupBy: "reason",
  },
  "refusals-by-act": {
    title: "Refusals, by what was asked for",
    list: "decisions",
    where: { outcome: "deny" },
    groupBy: "act",
  },
  "refusals-by-policy": {
    title: "Refusals, by the policy that determined them",
    list: "decisions",
    where: { outcome: "deny" },
    groupBy: "policy",
  },
  "refusals-by-action": {
    title: "Refusals, by action asked for",
    list: "decisions",
    where: { outcome: "deny" },
    groupBy: "action",
  },
  "refusals-by-data-class": {
    title: "Refusals, by class of data asked for",
    list: "decisions",
    where: { outcome: "deny" },
    groupBy: "data_class",
  },
  "calls-refused": {
    title: "Calls of tools refused, by reason",
    list: "decisions",
    where: { act: "call", outcome: "deny" },
    groupBy: "reason",
  },
  "attestations-refused": {
    title: "Attestations refused, by reason",
    list: "decisions",
    where: { act: "attest", outcome: "deny" },
    groupBy: "reason",
  },
  "administration-refused": {
    title: "Acts of administration refused, by reason",
    list: "decisions",
    where: { act: "administer", outcome: "deny" },
    groupBy: "reason",
  },
  "delegations-refused": {
    title: "Delegations refused",
    list: "decisions",
    where: { outcome: "deny", reason: "DELEGATION_REFUSED" },
  },

  "steps-opened": events("step.opened", "Steps opened without waiting for approval"),
  "steps-by-agent": { title: "Steps of the period, by agent", list: "steps", where: {}, groupBy: "agent" },
  "steps-by-runtime": {
    title: "Steps of the period, by the runtime that opened them",
    list: "steps",
    where: {},
    groupBy: "runtime",
  },
  "steps-by-principal": {
    title: "Steps of the period, by whom they worked for (a digest)",
    list: "steps",
    where: {},
    groupBy: "principal",
  },
  "steps-by-outcome": {
    title: "Steps of the period, by what became of them",
    list: "steps",
    where: {},
    groupBy: "outcome",
    mayChange: true,
  },
  closes: events("step.closed", "Closes, each with all that descends from its step"),
  "closes-applied": events("closure.reached", "Closes whose end was recorded as reached everywhere"),
  "closure-times": {
    title:
      "How long after a close it was recorded that nobody accepts any more what it closed, of the closes that somebody asked about (who asks later has it recorded later)",
    list: "steps",
    where: {},
    howLong: "closure",
    mayChange: true,
  },
  "steps-open": {
    title: "How long steps were open",
    list: "steps",
    where: {},
    howLong: "open",
    mayChange: true,
  },
  receipts: events("receipts.taken", "Records of receipts by verifiers"),
  judged: events("steps.judged", "Records of open steps that were judged anew and go on"),
  "runs-barred": events("run.barred", "Runs barred"),
  enrolled: events("process.enrolled", "Processes let open steps although a runtime started them"),

  "credentials-by-kind": { title: "Credentials issued, by kind", list: "issuances", where: {}, groupBy: "kind" },
  "credentials-by-agent": {
    title: "Credentials issued, by agent; none: to runtimes, verifiers, operators and the broker",
    list: "issuances",
    where: {},
    groupBy: "agent",
  },
  "credentials-by-authority": {
    title: "Credentials issued, by the key that signed them",
    list: "issuances",
    where: {},
    groupBy: "authority",
  },
  "credentials-alive": {
    title: "Credentials that could be presented at the end of the period",
    list: "issuances",
    where: {},
    liveAtEnd: true,
  },
  "credentials-validity": {
    title: "How long credentials were valid when they were issued, those of runtimes, verifiers and operators too",
    list: "issuances",
    where: {},
    howLong: "validity",
  },
  "credentials-usable": {
    title: "How long credentials could be presented: until taken back, their step closed, or their end",
    list: "issuances",
    where: {},
    howLong: "usable",
    mayChange: true,
  },
  "credentials-revoked": events("issuance.revoked", "Credentials taken back by themselves, before their step's end"),
  "credentials-undelivered": events("issuance.undelivered", "Credentials recorded that never left the broker"),

  "step-approvals-asked": events("step.pending", "Steps that had to wait for approval"),
  "step-approvals-given": events("step.approved", "Steps approved"),
  "step-approvals-refused": events("step.refused", "Steps refused by an approver"),
  "call-approvals-asked": events("call.pending", "Calls that had to wait for approval"),
  "call-approvals-given": events("call.approved", "Calls approved"),
  "call-approvals-refused": events("call.refused", "Calls refused by an approver"),

  "tools-seen": events("tool.seen", "Tools seen first"),
  "tools-changed": events("tool.changed", "Definitions of tools that changed, and were refused until accepted"),
  "tools-accepted": events("tool.accepted", "Definitions of tools accepted by an operator"),

  offboardings: events("principal.offboarded", "People and services offboarded"),
  readmissions: events("principal.readmitted", "People and services readmitted"),
  erasures: events("principal.erased", "People and services erased"),
  "identity-events": events("security_event.taken", "Events of identity providers taken"),

  "policies-activated": events("policy_set.activated", "Sets of policies put in force"),
  "policies-put": events("policy_set.put", "Sets of policies recorded"),
  "risk-changes": events("risk.set", "Changes of risk"),
  "operator-acts": events("operator.acted", "Acts of operators that no other event names whole"),

  "entries-changed": events("entry.put", "Registration entries made, changed, disabled or enabled"),
  "entries-removed": events("entry.retired", "Registration entries removed"),
  "evidence-spent": events("evidence.spent", "Evidence used up by an attestation"),
  "join-tokens": events("join_token.created", "Join tokens made"),
  "join-tokens-spent": events("join_token.spent", "Join tokens used up"),

  "key-changes": events("authority.put", "Changes of signing keys: made, put to use, replaced, removed"),
  "keys-tainted": events("authority.tainted", "Signing keys distrusted, with all that they had signed"),
  "foreign-domains": events("federation.put", "Foreign trust domains believed, or their terms changed"),
  "foreign-keys": events("bundle.accepted", "Sets of keys of foreign trust domains accepted"),

  "exchanges-by-outcome": {
    title: "Secrets of other systems handed to steps, by state",
    list: "exchanges",
    where: {},
    groupBy: "outcome",
    mayChange: true,
  },
  "exchanges-ended": events("exchange.ended", "Secrets of other systems that ended there"),

  "usage-reports": events("usage.reported", "Reports of use by verifiers"),
  deliveries: events("events.delivered", "Records of security events delivered to receivers"),
  epochs: events("epoch.started", "Epochs begun: the first, and one for each restored ledger that was accepted"),
  snapshots: events("snapshot.taken", "Snapshots of the ledger, each after a verification of the whole"),
  prunings: events("events.pruned", "Records of events whose content was deleted by the terms of retention"),
  holds: events("hold.placed", "Legal holds placed"),
} as const satisfies Readonly<Record<string, Figure>>;

export type FigureName = keyof typeof FIGURES;

export function isFigureName(name: string): name is FigureName {
  return Object.hasOwn(FIGURES, name);
}

/** What of the period a report shows as it was recorded, with a proof: the newest event of a type, or the newest such decision. */
export type Example = {
  readonly title: string;
} & (
  | { readonly list: "events"; readonly type: (typeof EVENT_TYPES)[number] }
  | { readonly list: "decisions"; readonly where: { readonly [Field in HistoryField]?: string } }
);

function newest(type: (typeof EVENT_TYPES)[number], title: string): Example {
  return { title, list: "events", type };
}

export const EXAMPLES = {
  "step-opened": newest("step.opened", "A step is opened"),
  "step-closed": newest("step.closed", "A step is closed with all that it holds"),
  "closure-reached": newest("closure.reached", "A close has reached everybody whom it concerns"),
  "credential-issued": newest("issuance.recorded", "A credential is recorded before it is signed"),
  "credential-revoked": newest("issuance.revoked", "A credential is taken back by itself"),
  "opening-refused": {
    title: "An opening is refused",
    list: "decisions",
    where: { act: "open", outcome: "deny" },
  },
  "call-refused": { title: "A call of a tool is refused", list: "decisions", where: { act: "call", outcome: "deny" } },
  refusal: { title: "A refusal, as it is recorded", list: "decisions", where: { outcome: "deny" } },
  decision: { title: "A decision, with what it was made on", list: "decisions", where: {} },
  "step-approved": newest("step.approved", "A step is approved"),
  "call-approved": newest("call.approved", "A call is approved"),
  "tool-changed": newest("tool.changed", "A tool's definition is another than the pinned one"),
  "tool-accepted": newest("tool.accepted", "An operator accepts a tool's definition"),
  "principal-offboarded": newest("principal.offboarded", "A person or service is offboarded"),
  "principal-erased": newest("principal.erased", "A person or service is erased"),
  "policies-activated": newest("policy_set.activated", "Policies are put in force"),
  "risk-set": newest("risk.set", "The risk is set"),
  "entry-put": newest("entry.put", "A registration entry is made or changed"),
  "evidence-spent": newest("evidence.spent", "Evidence is used up by an attestation"),
  "key-put": newest("authority.put", "A signing key changes its state"),
  "key-tainted": newest("authority.tainted", "A signing key is distrusted"),
  "exchange-ended": newest("exchange.ended", "A secret of another system has ended there"),
  "operator-acted": newest("operator.acted", "An operator acts"),
  "hold-placed": newest("hold.placed", "A legal hold is placed"),
} as const satisfies Readonly<Record<string, Example>>;

export type ExampleName = keyof typeof EXAMPLES;

export function isExampleName(name: string): name is ExampleName {
  return Object.hasOwn(EXAMPLES, name);
}
