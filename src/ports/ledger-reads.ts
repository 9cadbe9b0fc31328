import type { Actor } from "../domain/actor.ts";
import type { Authority } from "../domain/authority.ts";
import type { CallApproval, CallApprovalState } from "../domain/call-approval.ts";
import type { ClosedCredentials, UnconfirmedExchange } from "../domain/closure.ts";
import type { Ratchet } from "../domain/data-classes.ts";
import type { Decision, OpenerFacts, Situation } from "../domain/decision.ts";
import type { EventStreamRow } from "../domain/event-stream.ts";
import type { Exchange } from "../domain/exchange.ts";
import type { FederatedBundle, FederationRelationship } from "../domain/federation.ts";
import type { CallCounts } from "../domain/grant.ts";
import type { HistoryField, HistoryList, HistorySpan, HistoryTerms } from "../domain/history-filter.ts";
import type { IssuanceRecord, SvidKind } from "../domain/issuance.ts";
import type { LedgerEvent } from "../domain/ledger-event.ts";
import type { NodeName } from "../domain/node-name.ts";
import type { Owner } from "../domain/owner.ts";
import type { RecordedPolicySet } from "../domain/policy-set.ts";
import type { ProcessIdentity } from "../domain/process.ts";
import type { RegistrationEntry } from "../domain/registration-entry.ts";
import type { RevocationReason } from "../domain/revocation.ts";
import type { RecordedRisk, RiskScope } from "../domain/risk.ts";
import type { FactScope, ScopeFacts, StepCounts } from "../domain/run-facts.ts";
import type { TakenReceipt } from "../domain/signed-receipt.ts";
import type { Segment, SpiffeId } from "../domain/spiffe-id.ts";
import type { ClosedState, Step, StepState } from "../domain/step.ts";
import type { UnixMicros, UnixSeconds } from "../domain/time.ts";
import type { ToolState } from "../domain/tool-definition.ts";
import type { Usage } from "../domain/usage.ts";
import type { AsOf } from "./following.ts";
import type { CloseTarget } from "./ledger-acts.ts";
import type { PoliciesInForce } from "./policy-engine.ts";
import type { ToolRow, ToolStanding } from "./tool-reads.ts";

/**
 * What projections begin with, each as of one sequence.
 * All throw BrokerError LEDGER_UNAVAILABLE when the ledger can't be read.
 */
export type ProjectionReads = {
  /** Steps that are open or wait for approval, oldest first. */
  openSteps(): Promise<AsOf<readonly Step[]>>;
  /** Which of these processes ever opened a step, and which were enrolled. */
  stepProcesses(among: readonly ProcessIdentity[]): Promise<AsOf<RecordedProcesses>>;
  /** Entries that were not removed, ordered by kind and name. */
  entries(): Promise<AsOf<readonly RegistrationEntry[]>>;
  /** Every authority there ever was, in the order in which they came. */
  authorities(): Promise<AsOf<readonly Authority[]>>;
  /** Those of which something may be alive, oldest first. */
  exchanges(now: UnixSeconds): Promise<AsOf<readonly Exchange[]>>;
  /** Ordered by trust domain. */
  federations(): Promise<AsOf<readonly RecordedFederation[]>>;
  policiesInForce(): Promise<AsOf<PoliciesInForce>>;
  /** Every tool that was reported, in the order in which they were. */
  tools(): Promise<AsOf<readonly ToolStanding[]>>;
  /** Every receiver's stream of security events. */
  eventStreams(): Promise<AsOf<readonly EventStreamRow[]>>;
  /** The sequence up to which each verifier's entry has acknowledged the feed. */
  receipts(): Promise<AsOf<readonly RecordedReceipt[]>>;
};

/** What all processes of a verifier's entry had applied at an instant, as far as it was recorded last. */
export type RecordedReceipt = TakenReceipt & { readonly at: UnixMicros };

export type RecordedProcesses = {
  readonly openers: readonly ProcessIdentity[];
  readonly enrolled: readonly ProcessIdentity[];
};

export type RecordedFederation = {
  readonly relationship: FederationRelationship;
  /** Absent where no bundle was accepted yet. */
  readonly bundle?: FederatedBundle;
};

/** An attempt of a step that the next one has to reckon with. */
export type StandingAttempt = Pick<Step, "stepId" | "attempt" | "state">;

/**
 * Point reads of the paths. They may be a commit behind: the guards inside the ledger's acts are the truth.
 * All throw BrokerError LEDGER_UNAVAILABLE when the ledger can't be read.
 */
export type StepReads = {
  step(stepId: string): Promise<Step | undefined>;
  newestAttempt(runId: string, step: string): Promise<Step | undefined>;
  /** Whose a run is; `undefined` of a run in which no step was opened yet. */
  runOwner(runId: string): Promise<Owner | undefined>;
  /** The newest attempt, and all that are not closed: newest first. */
  standingAttempts(runId: string, step: string): Promise<readonly StandingAttempt[]>;
  /** The newest step that this process opened by this entry under this request id. */
  stepByRequest(entryId: string, process: ProcessIdentity, requestId: string): Promise<Step | undefined>;
  /**
   * What decisions are made on, as of one commit. Scopes of which nothing is known are left out.
   *
   * @param facts - where the grant of a step counts as far as the step itself says. What is known of runs that these are
   *   connected with is told too.
   * @param ratchet - `principal`: with the scopes of all principals that one of the runs has worked for.
   */
  world(facts: readonly FactScope[], risks: readonly RiskScope[], ratchet: Ratchet): Promise<RecordedWorld>;
  /** How many calls each element of a step's grant has counted. */
  callsCounted(stepId: string): Promise<CallCounts>;
  /** Who opened a step, by its decision, whether or not policies were asked; `undefined` where that was not recorded. */
  opening(decisionId: string): Promise<OpenerFacts | undefined>;
};

/** Point reads of calls that wait for approval, as `StepReads` are of steps. */
export type CallApprovalReads = {
  callApproval(approvalId: string): Promise<CallApproval | undefined>;
  /** The newest of this very call that was not used, and whose time is not over. */
  standingCallApproval(stepId: string, requestDigest: string, now: UnixSeconds): Promise<CallApproval | undefined>;
};

export type RecordedWorld = {
  /** Where the grant counts: in the scopes that were asked for, and in those of principals. */
  readonly countsIn: readonly FactScope[];
  /** Of these scopes, and of the runs that they are connected with. */
  readonly facts: readonly ScopeFacts[];
  /** Of the scopes in `countsIn` together. */
  readonly together: StepCounts;
  /** Also what has lapsed. */
  readonly risks: readonly RecordedRisk[];
  /** Sequence of the newest event that both take account of. */
  readonly through: number;
};

/** A set of policies, as lists show it. */
export type PolicySetRow = Pick<RecordedPolicySet, "version" | "root" | "origin"> & {
  readonly count: number;
  readonly putAt: UnixMicros;
  /** When it was last put in force; absent: never. */
  readonly activatedAt?: UnixMicros;
};

/** How the set in force came to be, or how none came to be in force any more. */
export type PolicyActivation = {
  /** 0: none is in force. */
  readonly version: number;
  /** Of the set; absent where none is in force. */
  readonly origin?: RecordedPolicySet["origin"];
  readonly by: Actor;
  readonly reason: string;
  readonly activatedAt: UnixMicros;
};

export type PolicyReads = {
  /** The last one; `undefined` where no set was ever put in force. */
  policyActivation(): Promise<PolicyActivation | undefined>;
  /** With all its policies, in the order of their ids. */
  policySet(version: number): Promise<RecordedPolicySet | undefined>;
  /** Newest first. */
  policySets(): Promise<readonly PolicySetRow[]>;
  /** What has not lapsed, ordered by scope. */
  risks(now: UnixSeconds): Promise<readonly RecordedRisk[]>;
};

export type RegistryReads = {
  /** Join tokens that could still be used, ordered by name and age. */
  joinTokens(now: UnixMicros): Promise<readonly JoinToken[]>;
  principal(principalId: string): Promise<PrincipalRow | undefined>;
  /** All that were ever erased, also those who came back. */
  erasedPrincipals(): Promise<readonly PrincipalRow[]>;
};

/** What the ledger has of a principal: nothing by which to tell who it is, without the vault. */
export type PrincipalRow = {
  /** Of the event that named the principal first. */
  readonly sequence: number;
  readonly principalId: string;
  /** As the newest step has it; absent where there was no step since the principal was erased, or ever. */
  readonly sealed?: string;
  readonly openSteps: number;
  readonly lastOpenedAt?: UnixMicros;
  /** Present while steps are refused to the principal. */
  readonly offboardedAt?: UnixMicros;
  readonly erasedAt?: UnixMicros;
};

/** A join token that nobody has used, as far as it may be shown: the token itself is known to its holder alone. */
export type JoinToken = {
  readonly name: Segment;
  readonly createdAt: UnixMicros;
  /** Exclusive. */
  readonly expiresAt: UnixSeconds;
};

/** One entry of the deny-list, as the feed carries it. Steps that never had a credential are not in it. */
export type DenyEntry = {
  readonly sequence: number;
  readonly reason: RevocationReason;
  readonly state: ClosedState;
  readonly deniedAt: UnixMicros;
  /** Latest expiry among the credentials that are denied. */
  readonly latestExpiry: UnixSeconds;
  /** Where a denied credential may be presented: the step's locations and audiences, or the credential's audiences. */
  readonly audiences: readonly string[];
  /** Whether the step holds credentials without an audience (X.509-, WIT-SVIDs): then the entry concerns everyone. */
  readonly concernsAll: boolean;
  /** The entry that the step's run belongs to, for a runtime that watches its own runs. */
  readonly runEntryId: string;
  /** As in `Owner`. */
  readonly runMachine?: NodeName;
  readonly subject:
    | { readonly kind: "step"; readonly stepId: string; readonly spiffeId: SpiffeId }
    | { readonly kind: "jwt"; readonly jti: string }
    | { readonly kind: "certificate"; readonly authorityId: string; readonly serialNumber: string };
};

/** A part of the deny-list; `through` is the last sequence whose deny entries were all given by now. */
export type DenyPart = { readonly entries: readonly DenyEntry[]; readonly through: number };

export type FeedReads = {
  /**
   * Deny entries with a sequence in (after, through], in ledger order and in parts small enough to be sent without
   * holding anybody up. A close of many steps may take several parts. The last part's `through` is the sequence that
   * was asked for, or the ledger's end where that comes first.
   */
  denied(after: number, through: number): AsyncIterable<DenyPart>;
  /**
   * The deny-list that still matters, in parts and in no order: all that may not be forgotten at `now`. What is
   * committed before the first part is read is in exactly one part; what is committed meanwhile may be in none.
   */
  inForce(now: UnixSeconds): AsyncIterable<readonly DenyEntry[]>;
};

/** An issuance with what became of it. */
export type IssuanceRow = IssuanceRecord & {
  readonly sequence: number;
  readonly undelivered: boolean;
  readonly revokedAt?: UnixMicros;
  readonly revocationReason?: RevocationReason;
  readonly revokedSequence?: number;
  /** Children that were opened by a delegation token. */
  readonly uses?: number;
  /** Present for a step's credential. */
  readonly step?: Pick<Step, "runId" | "step" | "attempt" | "agent" | "state">;
};

/** Filters of the operator's view. Absent members do not filter. */
export type HistoryFilter = HistoryTerms & {
  readonly runId?: string;
  readonly step?: string;
  readonly stepId?: string;
  readonly agent?: string;
  readonly since?: UnixMicros;
  readonly until?: UnixMicros;
  /** Exclusive upper bound: the sequence of the last row of the page before. */
  readonly before?: number;
  /** Exclusive lower bound: the same, where the order is the other one. */
  readonly after?: number;
  /** Newest first where it is absent. */
  readonly oldestFirst?: boolean;
  readonly limit: number;
};

export type EventRow = {
  readonly sequence: number;
  readonly recordedAt: UnixMicros;
  readonly type: LedgerEvent["type"];
  /** Empty: pruned. */
  readonly canonical: Uint8Array;
  readonly leafHash: Uint8Array;
};

/** How many rows have one value of a field; without a value: in all, or those that have none. */
export type HistoryGroup = { readonly value: string | null; readonly count: number };

/** How long something of rows lasted, in microseconds; of none: zeros. */
export type SpansOfRows = {
  readonly count: number;
  readonly leastMicros: number;
  readonly mostMicros: number;
  /** Of all together; beyond 2^53 not exact. */
  readonly sumMicros: number;
};

/** The operator's reads, on a connection of their own so that they never delay an issuance. Newest first. */
export type HistoryReads = {
  issuances(
    filter: HistoryFilter & {
      readonly kind?: SvidKind;
      readonly state?: "live" | "expired" | "revoked" | "undelivered";
      readonly serialNumber?: string;
      readonly jti?: string;
      readonly toBeSignedSha256?: string;
      /** The instant at which `state` is judged. */
      readonly now: UnixMicros;
    },
  ): Promise<readonly IssuanceRow[]>;
  steps(
    filter: HistoryFilter & { readonly states?: readonly StepState[]; readonly runOwner?: Owner },
  ): Promise<readonly Step[]>;
  decisions(
    filter: HistoryFilter & { readonly effect?: "allow" | "deny"; readonly decisionId?: string },
  ): Promise<readonly (Decision & { readonly sequence: number })[]>;
  /**
   * Decisions that policies could have been asked on, oldest first, with what else is known of the step that was opened.
   * A page ends at `limit` rows.
   */
  evaluated(filter: {
    readonly after: number;
    readonly since?: UnixMicros;
    readonly until?: UnixMicros;
    readonly agent?: string;
    readonly limit: number;
  }): Promise<readonly EvaluatedDecision[]>;
  /** Calls that waited for approval, or do at `now`. */
  callApprovals(
    filter: HistoryFilter & { readonly states?: readonly CallApprovalState[]; readonly now: UnixMicros },
  ): Promise<readonly CallApproval[]>;
  events(filter: HistoryFilter & { readonly type?: string }): Promise<readonly EventRow[]>;
  principals(filter: Pick<HistoryFilter, "before" | "limit">): Promise<readonly PrincipalRow[]>;
  /** Tools that were reported; `sequence` of their first reports. */
  tools(
    filter: Pick<HistoryFilter, "before" | "limit"> & {
      readonly location?: string;
      readonly states?: readonly ToolState[];
    },
  ): Promise<readonly ToolRow[]>;
  /** A step with its ancestors and descendants; no step for one that is unknown. */
  stepTree(stepId: string, stepsMax: number): Promise<StepTree>;
  /** What verifiers have reported of calls; in the order of their first reports, `before` by `usageId`. */
  usage(filter: Omit<HistoryFilter, "since" | "until">): Promise<readonly UsageRow[]>;
  /** Secrets of other systems. */
  exchanges(
    filter: HistoryFilter & { readonly target?: string; readonly alive?: boolean; readonly now: UnixMicros },
  ): Promise<readonly Exchange[]>;
  /**
   * How many rows of a list the filter leaves, in no order: for each value of a field, or in all. Denials that stand for several and usage
   * count as often as they say.
   */
  count(
    list: HistoryList,
    filter: Omit<HistoryFilter, "limit"> & { readonly now: UnixMicros },
    groupBy?: HistoryField,
  ): Promise<readonly HistoryGroup[]>;
  /** How long something of the rows lasted that the filter leaves; what has not ended yet, or never began, is not among them. */
  spans(
    list: HistoryList,
    filter: Omit<HistoryFilter, "limit"> & { readonly now: UnixMicros },
    span: HistorySpan,
  ): Promise<SpansOfRows>;
  /**
   * Exclusive bounds of the sequences of what was recorded in [since, until): every row in them can be read by now, and none outside of
   * them is in that time.
   */
  span(filter: Pick<HistoryFilter, "since" | "until">): Promise<{ readonly after: number; readonly before: number }>;
  /** What closing this target would close and revoke now. */
  preview(target: CloseTarget, now: UnixMicros): Promise<TakenBack>;
  /** What the events in [first, last] closed and revoked. */
  takenBack(firstSequence: number, sequence: number, now: UnixMicros): Promise<TakenBack>;
  /** What the close with this sequence closed; `undefined` where that event closed nothing. */
  closedBy(closedSequence: number): Promise<ClosedBy | undefined>;
};

/** What one event closed. Later exchanges end, and `reachedAt` is added: nothing else changes. */
export type ClosedBy = {
  readonly closedAt: UnixMicros;
  /** What the closed steps held, by where it is accepted; credentials too that had expired or were taken back before. */
  readonly credentials: readonly ClosedCredentials[];
  /** Secrets of other systems that the steps had, of which those have not confirmed that they ended. */
  readonly exchanges: readonly UnconfirmedExchange[];
  /** Since when it is recorded that nobody accepts any of it. */
  readonly reachedAt?: UnixMicros;
};

/** Steps each behind its parent: ancestors from the root on, the step, and its descendants level by level. */
export type StepTree = {
  readonly steps: readonly Step[];
  /** Descendants were left out. */
  readonly isCut: boolean;
};

/** Calls of one kind, as a verifier has reported them in all. */
export type UsageRow = Usage &
  Pick<Step, "runId" | "step" | "attempt" | "agent"> & {
    readonly usageId: number;
    /** Name of the verifier's entry. */
    readonly verifier: string;
    readonly reportedAt: UnixMicros;
    /** How many calls of any kind the verifier has left out of its reports. */
    readonly gap: number;
  };

/** A decision in its place in the ledger, with the step that it opened. */
export type EvaluatedDecision = Decision & {
  readonly sequence: number;
  readonly opened?: Pick<Situation, "workflow" | "parent" | "depth" | "principalId">;
};

/** Steps closed and credentials revoked. The lists end after `LIMITS.listedMax`, the counts are whole. */
export type TakenBack = {
  readonly steps: readonly Step[];
  readonly issuances: readonly IssuanceRow[];
  /** Secrets of other systems that these steps have and that may be alive; it ends after `LIMITS.listedMax` too. */
  readonly exchanges: readonly Exchange[];
  readonly stepsCount: number;
  readonly issuancesCount: number;
};
