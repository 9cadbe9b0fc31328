import type { Actor } from "../domain/actor.ts";
import type { PendingApproval } from "../domain/approval.ts";
import type { Authority } from "../domain/authority.ts";
import type { DecidedOn, Decision } from "../domain/decision.ts";
import type { Denial } from "../domain/errors.ts";
import type { FederatedBundle, FederationRelationship } from "../domain/federation.ts";
import type { LocalAccounts } from "../domain/local-accounts.ts";
import type { ProcessIdentity } from "../domain/process.ts";
import type { RegistrationEntry } from "../domain/registration-entry.ts";
import type { RevocationReason } from "../domain/revocation.ts";
import type { TakenReceipt } from "../domain/signed-receipt.ts";
import type { Segment, TrustDomain } from "../domain/spiffe-id.ts";
import type { ClosedState, OpenedStep } from "../domain/step.ts";
import type { UnixMicros, UnixSeconds } from "../domain/time.ts";
import type { ApproveCallAct, ApproveStepAct, RefuseCallAct, RefuseStepAct } from "./approval-acts.ts";
import type { PendCallAct, PendedCall, RecordCallAct, RecordedCall, RecordUsageAct } from "./call-acts.ts";
import type {
  EndEventStreamAct,
  PutEventStreamAct,
  RecordDeliveredAct,
  TakeSecurityEventAct,
} from "./event-stream-acts.ts";
import type { AnswerExchangeAct, EndExchangeAct, IntendExchangeAct } from "./exchange-acts.ts";
import type { MarkUndeliveredAct, RecordedIssuance, RecordIssuancesAct } from "./issuance-acts.ts";
import type {
  ActivatePolicySetAct,
  JudgeStepsAct,
  PolicySetResult,
  PutPolicySetAct,
  SetRiskAct,
} from "./policy-acts.ts";
import type { ErasePrincipalAct, OffboardPrincipalAct, ReadmitPrincipalAct } from "./principal-acts.ts";
import type {
  LiftHoldAct,
  PlaceHoldAct,
  PlaceHoldResult,
  PruneEventsAct,
  PruneEventsResult,
  RecordSnapshotAct,
} from "./retention-acts.ts";
import type { AcceptToolAct, ForgetToolAct, ReportToolsAct, ReportToolsResult } from "./tool-acts.ts";

/** All that can be done to the ledger: each act by its name, with its answer. */
export type Acts = {
  readonly "open-step": Answered<OpenStepAct, OpenStepResult | Denial>;
  readonly "approve-step": Answered<ApproveStepAct, Sequenced | Denial>;
  readonly "refuse-step": Answered<RefuseStepAct, CloseResult | Denial>;
  readonly "hold-step": Answered<HoldStepAct, Sequenced | Denial>;
  readonly "renew-step": Answered<RenewStepAct, Sequenced | Denial>;
  readonly "enroll-process": Answered<EnrollProcessAct, Sequenced | Denial>;
  readonly "record-issuances": Answered<RecordIssuancesAct, readonly (RecordedIssuance | Denial)[]>;
  readonly "mark-undelivered": Answered<MarkUndeliveredAct, Sequenced>;
  readonly close: Answered<CloseAct, CloseResult | Denial>;
  readonly "revoke-credential": Answered<RevokeCredentialAct, Sequenced | Denial>;
  readonly "record-decision": Answered<RecordDecisionAct, Sequenced>;
  readonly "record-call": Answered<RecordCallAct, RecordedCall | Denial>;
  readonly "pend-call": Answered<PendCallAct, PendedCall | Denial>;
  readonly "approve-call": Answered<ApproveCallAct, Sequenced | Denial>;
  readonly "refuse-call": Answered<RefuseCallAct, Sequenced | Denial>;
  readonly "intend-exchange": Answered<IntendExchangeAct, Sequenced | Denial>;
  readonly "answer-exchange": Answered<AnswerExchangeAct, Sequenced>;
  readonly "end-exchange": Answered<EndExchangeAct, Sequenced>;
  readonly "put-entry": Answered<PutEntryAct, EntryResult | Denial>;
  readonly "retire-entry": Answered<RetireEntryAct, EntryChange | Denial>;
  readonly "put-authorities": Answered<PutAuthoritiesAct, PutAuthoritiesResult>;
  readonly "put-federation": Answered<PutFederationAct, Sequenced | Denial>;
  readonly "end-federation": Answered<EndFederationAct, Sequenced | Denial>;
  readonly "accept-bundle": Answered<AcceptBundleAct, Sequenced | Denial>;
  readonly "create-join-token": Answered<CreateJoinTokenAct, Sequenced>;
  readonly "revoke-join-tokens": Answered<RevokeJoinTokensAct, (Sequenced & { readonly count: number }) | Denial>;
  readonly "spend-join-token": Answered<SpendJoinTokenAct, (Sequenced & { readonly name: Segment }) | Denial>;
  readonly "spend-evidence": Answered<SpendEvidenceAct, Sequenced | Denial>;
  readonly "offboard-principal": Answered<OffboardPrincipalAct, CloseResult | Denial>;
  readonly "readmit-principal": Answered<ReadmitPrincipalAct, Sequenced | Denial>;
  readonly "erase-principal": Answered<ErasePrincipalAct, CloseResult | Denial>;
  readonly "record-usage": Answered<RecordUsageAct, Sequenced>;
  readonly "take-receipts": Answered<TakeReceiptsAct, Sequenced>;
  readonly "reach-closure": Answered<ReachClosureAct, ReachClosureResult>;
  readonly "record-operation": Answered<RecordOperationAct, Sequenced>;
  readonly "put-policy-set": Answered<PutPolicySetAct, PolicySetResult | Denial>;
  readonly "activate-policy-set": Answered<ActivatePolicySetAct, Sequenced | Denial>;
  readonly "set-risk": Answered<SetRiskAct, SetRiskResult | Denial>;
  readonly "judge-steps": Answered<JudgeStepsAct, JudgeStepsResult>;
  readonly "report-tools": Answered<ReportToolsAct, ReportToolsResult>;
  readonly "accept-tool": Answered<AcceptToolAct, Sequenced | Denial>;
  readonly "forget-tool": Answered<ForgetToolAct, Sequenced | Denial>;
  readonly "put-event-stream": Answered<PutEventStreamAct, Sequenced | Denial>;
  readonly "end-event-stream": Answered<EndEventStreamAct, Sequenced | Denial>;
  readonly "record-delivered": Answered<RecordDeliveredAct, Sequenced>;
  readonly "take-security-event": Answered<TakeSecurityEventAct, CloseResult>;
  readonly "record-snapshot": Answered<RecordSnapshotAct, Sequenced>;
  readonly "prune-events": Answered<PruneEventsAct, PruneEventsResult>;
  readonly "place-hold": Answered<PlaceHoldAct, PlaceHoldResult>;
  readonly "lift-hold": Answered<LiftHoldAct, Sequenced | Denial>;
  readonly "start-epoch": Answered<StartEpochAct, CloseResult>;
};

type Answered<Act, Result> = { readonly act: Act; readonly result: Result };

export type ActName = keyof Acts;
export type LedgerAct<Name extends ActName = ActName> = Acts[Name]["act"];
export type ResultOf<Name extends ActName = ActName> = Acts[Name]["result"];

/** `sequence` of the last event written; 0 when none was. */
export type Sequenced = { readonly kind: "sequenced"; readonly sequence: number };

/**
 * Opens a step and records the decision that allowed it.
 *
 * Guards, in this order:
 * - a step that was opened with the same `requestId` by the same entry and process, and has not expired: that step
 *   (`existing`), or REQUEST_ID_REUSED when `requestDigest` differs;
 * - the run is barred → NOT_ENTITLED; the run belongs to another entry → NOT_ENTITLED, unless `parentStepId` names an
 *   open step of this run;
 * - the step's principal was offboarded, or is not, and all steps of the run so far are an offboarded principal's →
 *   NOT_ENTITLED;
 * - `decidedOn` no longer stands → NOT_ENTITLED for an entry that is out of force, else DECISION_OUTDATED;
 * - the principal of a step without a parent was erased since → DECISION_OUTDATED;
 * - the parent is open, expires no earlier than the child, and is not closed by this opening → else DELEGATION_REFUSED;
 * - the delegation token that `delegationJti` names is the parent's and for the opener's entry, neither expired nor taken
 *   back, and has a use left, which this opening takes → else DELEGATION_REFUSED;
 * - the parent has as many calls left as are granted → else DECISION_OUTDATED;
 * - the newest attempt is open, and `supersedes` is false → STEP_EXISTS; the newest attempt is not below this attempt →
 *   STALE_ATTEMPT;
 * - `openStepsMax` of the opener's entry, `executorOpenStepsMax` of an executor's process → LIMIT_EXCEEDED;
 * - expiry ahead of `now` by `LIMITS.stepSecondsLeftMin` → else STEP_EXPIRING.
 *
 * Older attempts that are not closed are closed as SUPERSEDED with their descendants, and the steps that the decision
 * `closes` as REVOKED with theirs; a decision that closes the parent is refused DELEGATION_REFUSED.
 *
 * With `approval` the step waits for it instead, under a decision that denies: it counts for the limits, closes nothing
 * and is granted nothing.
 */
export type OpenStepAct = {
  readonly act: "open-step";
  readonly step: OpenedStep;
  readonly decision: Decision;
  readonly decidedOn: DecidedOn;
  readonly supersedes: boolean;
  readonly openStepsMax: number;
  readonly executorOpenStepsMax: number;
  readonly approval?: PendingApproval;
  /** When the step's principal was erased last, as it was known before anything was sealed; absent: never. */
  readonly principalErasedAt?: UnixMicros;
  readonly now: UnixMicros;
};

export type OpenStepResult =
  | { readonly kind: "opened"; readonly sequence: number }
  | { readonly kind: "existing"; readonly stepId: string };

/**
 * The first hold of a step, or the first at another broker. Idempotent: sequence 0 for a step that is held already, by this keeper.
 * STEP_NOT_FOUND, STEP_CLOSED.
 */
export type HoldStepAct = {
  readonly act: "hold-step";
  readonly stepId: string;
  /** Where the ledger is shared: the broker that is asked to hold it. */
  readonly keeper?: string;
  readonly now: UnixMicros;
};

/** Sets the lease's end anew, `now` + the step's lease. STEP_NOT_FOUND, STEP_CLOSED; INVALID_FIELD without a lease. */
export type RenewStepAct = { readonly act: "renew-step"; readonly stepId: string; readonly now: UnixMicros };

/**
 * Lets a process open steps although it descends from one that has a part in steps. Idempotent: sequence 0 for a process
 * that is enrolled already. NOT_ENTITLED when `decidedOn` no longer stands.
 */
export type EnrollProcessAct = {
  readonly act: "enroll-process";
  readonly process: ProcessIdentity;
  readonly by: Actor;
  readonly decidedOn: DecidedOn;
  readonly now: UnixMicros;
};

/**
 * Closes steps with all their live descendants, revokes what they hold, and bars the run that `target` names, in one
 * transaction that also works from the reserve when the disk is full.
 *
 * STEP_NOT_FOUND for an unknown step; INVALID_FIELD `outcome` for one that waits for approval, if it is named to be
 * COMPLETED or FAILED. A step that is closed already answers with its recorded close and `alreadyClosed`. When `onlyIf` does not hold, the answer is a CloseResult of zero counts and sequence 0.
 */
export type CloseAct = {
  readonly act: "close";
  readonly target: CloseTarget;
  readonly state: ClosedState;
  readonly reason: RevocationReason;
  readonly onlyIf?: { readonly expiredAt: UnixMicros } | { readonly leaseExpiredAt: UnixMicros };
  readonly by: Actor;
  readonly now: UnixMicros;
};

export type CloseTarget =
  | { readonly kind: "steps"; readonly stepIds: readonly string[] }
  /** The run stays barred. */
  | { readonly kind: "run"; readonly runId: string }
  /** All steps of an agent's entry, or all steps that a runtime's entry opened. */
  | { readonly kind: "entry"; readonly entryId: string }
  /** All steps whose opener or executor is this process. */
  | { readonly kind: "process"; readonly process: ProcessIdentity }
  | { readonly kind: "principal"; readonly principalId: string };

export type CloseResult = Written & {
  readonly kind: "closed";
  readonly closedAt: UnixMicros;
  readonly alreadyClosed: boolean;
  readonly stepsClosed: number;
  readonly credentialsRevoked: number;
};

/** The events of one act, which follow one another; both 0 when there are none. */
export type Written = { readonly firstSequence: number; readonly sequence: number };

/** Takes one credential back, its step staying open. STEP_NOT_FOUND when there is no such credential. */
export type RevokeCredentialAct = {
  readonly act: "revoke-credential";
  readonly credential: CredentialName;
  readonly reason: RevocationReason;
  readonly by: Actor;
  readonly now: UnixMicros;
};

/** The name by which the holder of a credential knows it. */
export type CredentialName = { readonly jti: string } | { readonly serialNumber: string };

export type RecordDecisionAct = {
  readonly act: "record-decision";
  readonly decision: Decision;
  readonly now: UnixMicros;
};

/**
 * Creates an entry (`expectedRevision` 0) or replaces one, and closes the steps in `closes`, which hold what the entry
 * no longer permits.
 *
 * Guards: `revision` is the expected one, and no other entry has this kind and name (INVALID_FIELD); at most
 * `LIMITS.entriesMax` (LIMIT_EXCEEDED); with `usersApart` no agent that is put in force may
 * have the user of an operator, and the other way round (INVALID_FIELD); the last enabled admin is not put out of
 * force by an operator (INVALID_FIELD).
 */
export type PutEntryAct = {
  readonly act: "put-entry";
  readonly entry: RegistrationEntry;
  readonly expectedRevision: number;
  /** `all`: every open step of the entry, and what the entry was issued for itself. */
  readonly closes: readonly string[] | "all";
  /** Why the credentials are taken back. */
  readonly reason: RevocationReason;
  /** By which agents are kept apart from operators; absent where one user may play every part. */
  readonly usersApart?: LocalAccounts;
  readonly by: Actor;
  readonly now: UnixMicros;
};

/**
 * Removes an entry from the list and closes its steps; kind and name are free again. ENTRY_NOT_FOUND; INVALID_FIELD when
 * an operator removes the last enabled admin.
 */
export type RetireEntryAct = {
  readonly act: "retire-entry";
  readonly entryId: string;
  readonly by: Actor;
  readonly now: UnixMicros;
};

/** What a change of an entry took back. */
export type EntryChange = Written & {
  readonly kind: "entry";
  readonly stepsClosed: number;
  readonly credentialsRevoked: number;
};

/** An `EntryChange` with the entry as it was recorded. */
export type EntryResult = EntryChange & { readonly entry: RegistrationEntry };

/**
 * Puts authorities as they are from here on, all at once. An authority that was removed stays removed, whatever is put.
 *
 * `taints` marks one authority as trusted no more and takes back all of its credentials that a verifier may still
 * accept; from then on nothing is recorded under this authority. `order` is what an operator asked for, and is recorded
 * too. INVALID_FIELD, thrown, when the authority to taint is unknown.
 */
export type PutAuthoritiesAct = {
  readonly act: "put-authorities";
  readonly authorities: readonly Authority[];
  readonly taints?: { readonly authorityId: string; readonly reason: RevocationReason; readonly by: Actor };
  readonly order?: Omit<RecordOperationAct, "act" | "now">;
  readonly now: UnixMicros;
};

export type PutAuthoritiesResult = Sequenced & { readonly credentialsRevoked: number };

/**
 * Records where a foreign trust domain's keys are taken from, with the first bundle if there is one. INVALID_FIELD
 * `trust_domain` where there is a relationship already.
 */
export type PutFederationAct = {
  readonly act: "put-federation";
  readonly relationship: FederationRelationship;
  readonly bundle?: Pick<FederatedBundle, "document" | "sequence">;
  readonly by: Actor;
  readonly now: UnixMicros;
};

/** Ends a relationship; its bundle goes with it. INVALID_FIELD `trust_domain` where there is none. */
export type EndFederationAct = {
  readonly act: "end-federation";
  readonly trustDomain: TrustDomain;
  readonly by: Actor;
  readonly now: UnixMicros;
};

/**
 * Takes a foreign bundle for the one in force. INVALID_FIELD `trust_domain` without a relationship, and
 * `spiffe_sequence` when the sequence goes back, is missing although the last bundle had one, or is the same with other
 * content. The same bundle again is not recorded: sequence 0.
 */
export type AcceptBundleAct = {
  readonly act: "accept-bundle";
  readonly trustDomain: TrustDomain;
  readonly bundle: Pick<FederatedBundle, "document" | "sequence">;
  readonly now: UnixMicros;
};

/** Lets whoever presents the token with this digest be attested, once, under this name. */
export type CreateJoinTokenAct = {
  readonly act: "create-join-token";
  /** Of the token, hexadecimal. */
  readonly sha256: string;
  readonly name: Segment;
  /** Exclusive. */
  readonly expiresAt: UnixSeconds;
  readonly by: Actor;
  readonly now: UnixMicros;
};

/** Takes back all join tokens of a name that nobody has used. INVALID_FIELD `name` when there is none. */
export type RevokeJoinTokensAct = {
  readonly act: "revoke-join-tokens";
  readonly name: Segment;
  readonly by: Actor;
  readonly now: UnixMicros;
};

/** Spends a join token. NO_IDENTITY when the token is unknown, spent, revoked or expired; a caller can't tell which. */
export type SpendJoinTokenAct = {
  readonly act: "spend-join-token";
  readonly sha256: string;
  readonly now: UnixMicros;
};

/** Spends evidence that counts once. NO_IDENTITY when the evidence was spent before, or has expired. */
export type SpendEvidenceAct = {
  readonly act: "spend-evidence";
  readonly attestor: "oidc";
  readonly sha256: string;
  /** Exclusive. */
  readonly expiresAt: UnixSeconds;
  readonly now: UnixMicros;
};

/** Cumulative: a sequence never goes back. */
export type TakeReceiptsAct = {
  readonly act: "take-receipts";
  readonly receipts: readonly TakenReceipt[];
  readonly now: UnixMicros;
};

/** Records that nobody accepts any more what was closed by this event; idempotent. STEP_NOT_FOUND, thrown, for no close. */
export type ReachClosureAct = {
  readonly act: "reach-closure";
  readonly closedSequence: number;
  readonly now: UnixMicros;
};

/** `reachedAt` as it was recorded first; `sequence` 0 where that was before. */
export type ReachClosureResult = Sequenced & { readonly reachedAt: UnixMicros };

/** An operator's act that no other event names. */
export type RecordOperationAct = {
  readonly act: "record-operation";
  /** E.g. `confirm-clock`. */
  readonly operation: string;
  readonly target: string;
  readonly reason: string;
  readonly by: Actor;
  readonly now: UnixMicros;
};

/** `expiresAt` as it was recorded. */
export type SetRiskResult = Sequenced & { readonly expiresAt: UnixSeconds };

export type JudgeStepsResult = Written & {
  readonly kind: "judged";
  readonly stepsClosed: number;
  readonly credentialsRevoked: number;
  /** Ids of steps that have to be judged once more. */
  readonly outdated: readonly string[];
};

/** Begins a new epoch: closes every open step as REVOKED, and every authority is `removed`. */
export type StartEpochAct = {
  readonly act: "start-epoch";
  /** Only where there is none: whoever else began one keeps it, and the answer is a CloseResult of zero counts and sequence 0. */
  readonly isFirst?: boolean;
  readonly epoch: string;
  readonly reason: string;
  readonly by: Actor;
  readonly now: UnixMicros;
};
