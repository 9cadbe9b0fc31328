import type { PendingApproval } from "../domain/approval.ts";
import type { Authority } from "../domain/authority.ts";
import type { CallApprovalStanding, PendingCall } from "../domain/call-approval.ts";
import type { DelegationToken } from "../domain/delegation.ts";
import type { Exchange } from "../domain/exchange.ts";
import type { FederatedBundle } from "../domain/federation.ts";
import type { CallCounts, Grant } from "../domain/grant.ts";
import type { LegalHold } from "../domain/legal-hold.ts";
import type { Owner } from "../domain/owner.ts";
import type { ProcessIdentity } from "../domain/process.ts";
import type { EntryKind, RegistrationEntry } from "../domain/registration-entry.ts";
import type { PruningCandidate } from "../domain/retention.ts";
import type { RiskLevel, RiskScope } from "../domain/risk.ts";
import type { FactScope, ScopeFacts } from "../domain/run-facts.ts";
import type { Segment, TrustDomain } from "../domain/spiffe-id.ts";
import type { StepState } from "../domain/step.ts";
import type { UnixMicros, UnixSeconds } from "../domain/time.ts";
import type { Usage } from "../domain/usage.ts";
import type { CloseTarget, CredentialName } from "../ports/ledger-acts.ts";

/**
 * What rules may ask of a ledger's tables, as the acts before left them. Each read is a lookup by an index, or is
 * bounded by what is open; an adapter answers the reads inside the transaction of the group.
 */
export type LedgerView = {
  /** Present once anybody opened a step of the run, or the run was barred. */
  run(runId: string): GuardedRun | undefined;
  step(stepId: string): GuardedStep | undefined;
  newestAttempt(runId: string, step: string): GuardedStep | undefined;
  /** The newest step that this process opened by this entry under this request id. */
  stepByRequest(entryId: string, process: ProcessIdentity, requestId: string): GuardedStep | undefined;
  /** The steps that a target names and that are not closed, with all their live descendants; in no order. */
  liveSteps(target: LiveTarget, at: UnixMicros): readonly LiveStep[];
  /** How many steps this process executes, by itself or with those below it. */
  liveStepsOfExecutor(process: ProcessIdentity): number;
  isEnrolled(process: ProcessIdentity): boolean;
  /** A step and those that it was delegated from, nearest first, with what was counted by their grants. Empty: unknown. */
  lineage(stepId: string): readonly BudgetHolder[];
  /** How many calls were counted by each element of a credential's grant. */
  callsCounted(holder: string): CallCounts;
  callApproval(approvalId: string): GuardedCallApproval | undefined;
  /** The calls of a step that wait for approval, are approved or were refused: none that was used, or whose time is over. */
  standingCallApprovals(stepId: string, now: UnixSeconds): readonly GuardedCallApproval[];
  /** How many calls a verifier's entry has reported of this kind, and of any kind left out. */
  usageCalls(entryId: string, usage: Omit<Usage, "calls">): number;
  usageGap(entryId: string): number;
  /** What was recorded when a step was closed; `undefined` for a step that is live or unknown. */
  closeOf(stepId: string): RecordedClose | undefined;

  /** Also an entry that was removed. */
  entry(entryId: string): GuardedEntry | undefined;
  /** The id of the entry with this kind and name, among entries that are not removed. */
  entryNamed(kind: EntryKind, name: string): string | undefined;
  /** How many entries are not removed. */
  entriesCount(): number;
  /** The entries of a kind that are not removed. */
  entriesOf(kind: EntryKind): readonly KnownEntry[];

  exchange(exchangeId: string): GuardedExchange | undefined;
  /** How many exchanges of a step may be alive, and whether one that did not fail has this request id. */
  standingExchanges(
    stepId: string,
    requestId: string,
    now: UnixMicros,
  ): { readonly count: number; readonly isKnown: boolean };

  issuance(issuanceId: string): GuardedIssuance | undefined;
  issuanceNamed(credential: CredentialName): GuardedIssuance | undefined;
  delegationToken(jti: string): DelegationToken | undefined;
  /** Ids of issuances to an entry itself whose credentials could still be presented, oldest first. */
  liveIssuancesOfEntry(entryId: string, at: UnixMicros): readonly string[];
  /** Ids of issuances by an authority that a verifier may still accept, oldest first; none that was taken back. */
  acceptableIssuances(authorityId: string, at: UnixMicros): readonly string[];
  authority(authorityId: string): GuardedAuthority | undefined;

  /** The version of a set of policies with this root. */
  policySetNamed(root: string): number | undefined;
  policySetRoot(version: number): string | undefined;
  /** The version that was put last; 0: none yet. */
  newestPolicySet(): number;
  isPolicyKnown(digest: string): boolean;
  /** What decides: version 0 where nothing was ever put in force, or nothing is. */
  policiesInForce(): { readonly version: number; readonly sequence: number };
  facts(scope: FactScope): Pick<ScopeFacts, "version" | "steps"> | undefined;
  risk(scope: RiskScope): GuardedRisk | undefined;
  /** The sequence at which the risk in any of these scopes rose last; 0: it never did. */
  riskRoseAt(scopes: readonly RiskScope[]): number;

  /** Present once the tool was reported at the location. */
  tool(location: string, tool: string): GuardedTool | undefined;
  toolsAt(location: string): ToolCounts;

  /** Present once a step named the principal, or the principal was barred. */
  principal(principalId: string): GuardedPrincipal | undefined;
  federation(trustDomain: TrustDomain): GuardedFederation | undefined;
  joinToken(sha256: string): { readonly name: Segment; readonly expiresAt: UnixSeconds } | undefined;
  /** How many join tokens of a name could still be used. */
  liveJoinTokens(name: Segment, now: UnixSeconds): number;
  isEvidenceSpent(sha256: string): boolean;
  /** The sequence that a verifier's entry has acknowledged. */
  receipt(entryId: string): number | undefined;
  /** Present for the sequence of a close that closed steps; `reachedAt` once it is recorded that nobody accepts them any more. */
  closure(closedSequence: number): { readonly reachedAt?: UnixMicros } | undefined;
  /** Id of the stream that an entry has. */
  eventStreamOf(entryId: string): string | undefined;
  /** The sequence through which a stream's receiver has all; `undefined` for no stream. */
  eventsDelivered(streamId: string): number | undefined;

  /** The newest event that the newest snapshot has; 0: there is none. */
  snapshotThrough(): number;
  holds(): readonly LegalHold[];
  /** Of the next `limit` events after `after` that are not newer than the snapshot, those whose content is there. */
  pruningCandidates(after: number, limit: number): PruningPage;
};

/** `next`: where the next page begins; absent on the last. */
export type PruningPage = { readonly candidates: readonly PruningCandidate[]; readonly next?: number };

/** Which live steps are meant: named as for a close, or `all` of them. */
export type LiveTarget =
  | CloseTarget
  /** All attempts of a step. */
  | { readonly kind: "attempts"; readonly runId: string; readonly step: string }
  | { readonly kind: "all" };

export type GuardedRun = {
  /** Absent for a run that was barred before anybody opened a step of the run. */
  readonly owner?: Owner;
  readonly isBarred: boolean;
  /** Whether all steps of the run are those of one principal, who is barred. */
  readonly isPrincipalBarred: boolean;
};

export type GuardedPrincipal = {
  readonly isBarred: boolean;
  /** Whether anything is sealed of the principal that was not erased. */
  readonly isKept: boolean;
  readonly erasedAt?: UnixMicros;
};

export type GuardedTool = {
  /** Digest of the definition that is pinned; absent: none is. */
  readonly pinned?: string;
  readonly newest: string;
  /** Digests of all that are kept, in no order. */
  readonly definitions: readonly string[];
};

/** What is kept of a location. */
export type ToolCounts = { readonly tools: number; readonly definitions: number };

export type GuardedRisk = { readonly sequence: number; readonly level: RiskLevel; readonly expiresAt: UnixSeconds };

export type GuardedStep = {
  readonly stepId: string;
  readonly agent: string;
  /** Up to which sequence what was decided of the step takes account of the state of the world. */
  readonly judgedSequence: number;
  readonly runId: string;
  /** As in `Step`. */
  readonly factScopes?: readonly FactScope[];
  readonly attempt: number;
  readonly state: StepState;
  readonly expiresAt: UnixSeconds;
  readonly openerEntryId: string;
  /** As `formatExecutor` writes it; absent: any. */
  readonly executor?: string;
  /** The executable that the first issuance pinned. */
  readonly executable?: string;
  readonly requestDigest?: string;
  readonly isHeld: boolean;
  /** As in `Step`. */
  readonly keeper?: string;
  /** What it waits for, or waited for. */
  readonly approval?: PendingApproval;
  readonly leaseSeconds?: number;
  readonly leaseExpiresAt?: UnixMicros;
};

export type GuardedCallApproval = CallApprovalStanding &
  Pick<PendingCall, "approvalId" | "stepId" | "askerEntryId" | "requestDigest" | "requesters" | "policies">;

export type BudgetHolder = {
  readonly stepId: string;
  readonly state: StepState;
  readonly expiresAt: UnixSeconds;
  readonly grant: Grant;
  readonly calls: CallCounts;
};

export type LiveStep = {
  readonly stepId: string;
  readonly openedSequence: number;
  readonly parentStepId?: string;
  readonly openerEntryId: string;
  /** As `formatExecutor` writes it; absent: any. */
  readonly executor?: string;
  /** Whether the target names the step itself; otherwise the step descends from a named step. */
  readonly isNamed: boolean;
  /** How many credentials a close at the instant asked for takes back. */
  readonly liveCredentials: number;
};

export type RecordedClose = {
  readonly sequence: number;
  readonly closedAt: UnixMicros;
  readonly stepsClosed: number;
  readonly credentialsRevoked: number;
};

export type GuardedEntry = {
  readonly revision: number;
  readonly isDisabled: boolean;
  readonly isRetired: boolean;
  /** Steps that the entry opened and that are not closed. */
  readonly openSteps: number;
};

export type KnownEntry = Pick<RegistrationEntry, "entryId" | "content" | "disabled">;

export type GuardedIssuance = {
  readonly issuanceId: string;
  readonly undeliveredSequence?: number;
  /** Sequence of the credential's own revocation, or of the close that took the credential back. */
  readonly revokedSequence?: number;
};

export type GuardedExchange = Pick<Exchange, "exchangeId" | "state">;

export type GuardedAuthority = Pick<Authority, "state"> & { readonly isTainted: boolean };

export type GuardedFederation = {
  /** The bundle that was accepted last; absent: none yet. */
  readonly bundle?: Pick<FederatedBundle, "document" | "sequence">;
};
