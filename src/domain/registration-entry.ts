import type { Grant } from "./grant.ts";
import type { Selector } from "./selector.ts";
import type { Segment, SpiffeId, TrustDomain } from "./spiffe-id.ts";
import type { UnixMicros } from "./time.ts";

export const OPERATOR_ROLES = ["viewer", "approver", "detector", "admin", "standby"] as const;
export type OperatorRole = (typeof OPERATOR_ROLES)[number];

/** A member of the entries that are given bundles. */
type Federating = {
  /** Foreign trust domains whose bundles the workload is given, and whose SVIDs it may believe. Absent: none. */
  readonly federatesWith?: readonly TrustDomain[];
};

export type AgentContent = Federating & {
  readonly kind: "agent";
  readonly name: Segment;
  readonly selectors: readonly Selector[];
  /** Path before `/run/`, `{agent}` standing for the name. */
  readonly spiffeIdTemplate: string;
  readonly ceiling: Grant;
  /** In addition to the ceiling's locations. */
  readonly audiences: readonly string[];
  /** Those of `audiences` at which a token is traded for another system's credential, which lives on there. */
  readonly exchangeAudiences: readonly string[];
  readonly jwtSvidTtlSeconds: number;
  readonly x509SvidTtlSeconds: number;
  readonly stepSecondsMax: number;
  readonly mayOpen: boolean;
  readonly allowAnyExecutor: boolean;
  /** Absent: not allowed. */
  readonly allowExecutorTree?: true;
  readonly allowMultipleAudiences: boolean;
  /** Open steps that one process may execute; absent: `LIMITS.openStepsPerExecutorDefault`. */
  readonly executorOpenStepsMax?: number;
  /** Of an agent that may open: so may what its processes start. Absent: not allowed. */
  readonly allowDescendants?: true;
};

export type RuntimeContent = Federating & {
  readonly kind: "runtime";
  readonly name: Segment;
  readonly selectors: readonly Selector[];
  readonly agents: readonly Segment[];
  readonly openStepsMax: number;
  /** What its processes start counts as it does. Absent: not allowed. */
  readonly allowDescendants?: true;
};

export type VerifierContent = Federating & {
  readonly kind: "verifier";
  readonly name: Segment;
  readonly selectors: readonly Selector[];
  readonly audiences: readonly string[];
  readonly maxStalenessSeconds: number;
  /** The public key with which it signs what it has applied, as `parseReceiptKey` takes it. Absent: it signs nothing. */
  readonly receiptKey?: string;
  /** Where security events are pushed to. Absent: nowhere. */
  readonly eventsUrl?: string;
};

export type OperatorContent = {
  readonly kind: "operator";
  readonly name: Segment;
  readonly selectors: readonly Selector[];
  readonly role: OperatorRole;
};

/** The agent of a machine without a broker, which attests the processes of that machine. */
export type NodeContent = {
  readonly kind: "node";
  readonly name: Segment;
  /** Of evidence that the machine shows; never of a process. */
  readonly selectors: readonly Selector[];
  /**
   * The entry is of a group of machines: what their evidence tells them apart by, which is their name. A selector without its
   * last value, e.g. `k8s:node-name`. Absent: of one machine.
   */
  readonly machineName?: string;
  /** Machines of the group that are not believed, whatever they show. Absent: none. */
  readonly barredMachines?: readonly Segment[];
};

/** The broker itself. */
export type ServerContent = {
  readonly kind: "server";
  readonly name: Segment;
  /** Always empty, so that no caller is ever taken for the broker. */
  readonly selectors: readonly Selector[];
};

/** What an entry says; it is digested and compared to see whether the entry changed. */
export type EntryContent =
  | AgentContent
  | RuntimeContent
  | VerifierContent
  | OperatorContent
  | NodeContent
  | ServerContent;
export type EntryKind = EntryContent["kind"];

export type RegistrationEntry<Content extends EntryContent = EntryContent> = {
  readonly entryId: string;
  readonly spiffeId: SpiffeId;
  readonly origin: "config" | "api";
  readonly disabled: boolean;
  /** 1, 2, …: a decision names the revision it was made on, and an issuance on an older revision is refused. */
  readonly revision: number;
  readonly createdAt: UnixMicros;
  readonly updatedAt: UnixMicros;
  readonly content: Content;
};

/** The kinds of entry that are declared, or created by API. */
export type DeclaredKind = Exclude<EntryKind, "server">;

export type AgentEntry = RegistrationEntry<AgentContent>;
export type VerifierEntry = RegistrationEntry<VerifierContent>;

export function isOfKind<Kind extends EntryKind>(
  entry: RegistrationEntry,
  kind: Kind,
): entry is RegistrationEntry<Extract<EntryContent, { kind: Kind }>> {
  return entry.content.kind === kind;
}

/** Whether callers get the entry's identity: an agent has one only within a step, and no caller is the broker. */
export function isInfrastructure(entry: RegistrationEntry): boolean {
  return entry.content.kind !== "agent" && entry.content.kind !== "server";
}

/** The foreign trust domains that an entry names. */
export function federatesWith({ content }: Pick<RegistrationEntry, "content">): readonly TrustDomain[] {
  return "federatesWith" in content ? (content.federatesWith ?? []) : [];
}

/** The foreign trust domains that any of these entries names, each once. */
export function federatedTrustDomains(entries: readonly RegistrationEntry[]): readonly TrustDomain[] {
  return [...new Set(entries.flatMap(federatesWith))];
}
