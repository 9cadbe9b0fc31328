import type { DataClasses } from "../../src/domain/data-classes.ts";
import type { EntryContentInput } from "../../src/domain/entry-content.ts";
import type { Grant } from "../../src/domain/grant.ts";
import type { RuleSet } from "../memory/rule-engine.ts";
import { RECEIPT_KEY } from "./receipt-key.ts";

/* Who plays in a simulation, and what for. */

export const PLACES = ["https://a.example/mcp", "https://b.example/mcp"] as const;
export const IDENTITY = "https://identity.example";
/** What agents may ask for beside the places of their grants; one is such a place. */
export const MORE_AUDIENCES = [IDENTITY, PLACES[0]] as const;
export const AUDIENCES = [...PLACES, IDENTITY, "https://else.example"] as const;
/** What grants and ceilings are made of; the fourth is within the third. */
export const ELEMENTS: Grant = [
  { type: "mcp_tool", locations: [PLACES[0]], identifier: "search", actions: ["read"], datatypes: ["internal"] },
  {
    type: "mcp_tool",
    locations: [PLACES[1]],
    identifier: "write",
    actions: ["read", "write"],
    datatypes: ["internal"],
  },
  {
    type: "mcp_tool",
    locations: [...PLACES],
    identifier: "list",
    actions: ["read"],
    datatypes: ["internal", "public"],
  },
  { type: "mcp_tool", locations: [PLACES[0]], identifier: "list", actions: ["read"], datatypes: ["public"] },
  { type: "mcp_tool", locations: [PLACES[1]], identifier: "post", actions: ["write"], datatypes: ["public"] },
];
/** Of these: what a run that is confined must not do, and what confines it. */
export const WRITES_OUTWARD = 4;
export const READS_INSIDE = 0;
export const READS_PUBLIC = 3;
/** Of them: what reads at both places. */
export const READS_ANYWHERE = 2;
export const agentContent = (agent: number, ceiling: readonly number[]): EntryContentInput => ({
  kind: "agent",
  name: `agent-${agent}`,
  selectors: [`unix:uid:${agent + 1}`],
  ceiling: chosenOf(ELEMENTS, ceiling),
  audiences: [...MORE_AUDIENCES],
  jwtSvidTtlSeconds: 60,
  x509SvidTtlSeconds: 90,
  stepSecondsMax: 120,
  mayOpen: agent === 0,
  allowAnyExecutor: agent === 1,
});
/** The verifier of both places. */
export const VERIFIER = "mcp";
/** The other of the second place, which signs what it has applied. */
export const SIGNING = "signing";
/** Where a verifier takes security events. */
export const eventsUrlOf = (verifier: string) => `https://${verifier}.example/events`;
/** How long each may believe what it was not told of. */
export const STALENESS_SECONDS = { [VERIFIER]: 10, [SIGNING]: 20 } as const;
/** What is set for an audience. */
export const LEEWAY_SECONDS: ReadonlyMap<string, number> = new Map([[IDENTITY, 30]]);
/** Two agents, of which the first opens for itself; two runtimes, of which the second is one agent's alone. */
export const ENTRIES: readonly EntryContentInput[] = [
  agentContent(0, [0, 1, 2, 4]),
  agentContent(1, [0, 1, 2, 4]),
  { kind: "runtime", name: "flow", selectors: ["unix:uid:11"], agents: ["agent-0", "agent-1"] },
  { kind: "runtime", name: "other", selectors: ["unix:uid:12"], agents: ["agent-1"] },
  { kind: "operator", name: "approver", selectors: ["unix:uid:31"], role: "approver" },
  // It opens steps too, which it must not approve.
  { kind: "operator", name: "flow-approver", selectors: ["unix:uid:11"], role: "approver" },
  {
    ...{ kind: "verifier", name: VERIFIER, selectors: ["unix:uid:21"], audiences: [...PLACES] },
    ...{ maxStalenessSeconds: STALENESS_SECONDS[VERIFIER], eventsUrl: eventsUrlOf(VERIFIER) },
  },
  {
    ...{ kind: "verifier", name: SIGNING, selectors: ["unix:uid:22"], audiences: [PLACES[1]] },
    ...{ maxStalenessSeconds: STALENESS_SECONDS[SIGNING], receiptKey: RECEIPT_KEY, eventsUrl: eventsUrlOf(SIGNING) },
  },
];
/** Who may be delegated to, and the user of each; nobody is the last. */
export const RECEIVERS = [
  { runtime: "flow", uid: 11 },
  { runtime: "other", uid: 12 },
  { runtime: "flow", uid: 11 },
  { runtime: "other", uid: 12 },
  { runtime: "nobody", uid: 99 },
] as const;
export const USERS = [1, 2, 11, 12, 21, 31] as const;
export const NAMED = [
  "agent/agent-0",
  "agent/agent-1",
  "runtime/flow",
  "runtime/other",
  "operator/approver",
  "verifier/signing",
] as const;

/** Whom steps work for. */
export const PRINCIPALS = [
  { iss: "https://login.example", sub: "ada" },
  { iss: "https://login.example", sub: "eve" },
] as const;

/** What was read at the first place is written nowhere else. */
const INTERNAL = { internal: { sensitivity: "restricted", securityDomain: [PLACES[0]] } } as const;
const ORDINARY = { sensitivity: "ordinary", securityDomain: [] } as const;
const ORDINARY_CLASSES: DataClasses = { ratchet: "run", classes: { public: ORDINARY, internal: ORDINARY } };
const RATCHET: RuleSet = {
  ceiling: { effect: "permit" },
  outward: { effect: "forbid", action: "write", beyond: true },
  high: { effect: "forbid", from: "high" },
};
const APPROVAL: RuleSet = { ...RATCHET, held: { effect: "forbid", action: "write", approval: "operators" } };
/** Steps are opened by it, and each of their calls that reads is looked at. */
const CALL_APPROVAL: RuleSet = {
  ceiling: { effect: "permit" },
  high: { effect: "forbid", from: "high" },
  calls: { effect: "forbid", act: "call", action: "read", approval: "operators" },
};
/** Whoever has approved by the other has not looked at what is internal. */
const MORE_APPROVAL: RuleSet = {
  ...CALL_APPROVAL,
  held: { effect: "forbid", action: "write", approval: "operators" },
  inside: { effect: "forbid", act: "call", datatype: "internal", approval: "operators" },
};

/** Sets of policies; each forbids more the more risk there is, the more was granted and the more steps are open. */
export const POLICIES: readonly { readonly rules: RuleSet; readonly dataClasses: DataClasses }[] = [
  {
    rules: {
      ceiling: { effect: "permit" },
      writes: { effect: "forbid", action: "write", from: "elevated" },
      high: { effect: "forbid", from: "high" },
    },
    dataClasses: ORDINARY_CLASSES,
  },
  {
    rules: { ceiling: { effect: "permit" }, public: { effect: "forbid", datatype: "public" } },
    dataClasses: ORDINARY_CLASSES,
  },
  {
    rules: {
      ceiling: { effect: "permit" },
      few: { effect: "forbid", openAbove: 3 },
      high: { effect: "forbid", from: "high" },
    },
    dataClasses: ORDINARY_CLASSES,
  },
  {
    rules: {
      one: { effect: "permit", agent: "agent-0" },
      wary: { effect: "forbid", agent: "agent-0", from: "elevated" },
    },
    dataClasses: ORDINARY_CLASSES,
  },
  { rules: RATCHET, dataClasses: { ratchet: "run", classes: { public: ORDINARY, ...INTERNAL } } },
  { rules: RATCHET, dataClasses: { ratchet: "principal", classes: { public: ORDINARY, ...INTERNAL } } },
  { rules: APPROVAL, dataClasses: { ratchet: "run", classes: { public: ORDINARY, ...INTERNAL } } },
  { rules: APPROVAL, dataClasses: ORDINARY_CLASSES },
  { rules: CALL_APPROVAL, dataClasses: ORDINARY_CLASSES },
  { rules: MORE_APPROVAL, dataClasses: ORDINARY_CLASSES },
];
/** Of them: those under which calls that read are held back, by one policy and by more. */
export const WITH_CALL_APPROVAL = 8;
export const WITH_MORE_APPROVALS = 9;

/** The same with so many calls of each. */
export function countedBy(grant: Grant, calls: number | undefined): Grant {
  return calls === undefined
    ? grant
    : grant.map((element) => ({ ...element, max_calls: Math.min(calls, element.max_calls ?? calls) }));
}

export function chosenOf<Value>(list: readonly Value[], which: readonly number[]): Value[] {
  return which.flatMap((index) => list[index] ?? []);
}
