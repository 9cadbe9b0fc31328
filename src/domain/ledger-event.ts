import type { Actor, OperatorActor } from "./actor.ts";
import type { ApprovalAnswer, PendingApproval } from "./approval.ts";
import type { Authority } from "./authority.ts";
import type { PendingCall } from "./call-approval.ts";
import type { DataClasses } from "./data-classes.ts";
import type { Decision } from "./decision.ts";
import type { EventStream } from "./event-stream.ts";
import type { ExchangeEnding, ExchangeIntent, ExchangeOutcome } from "./exchange.ts";
import type { FederatedBundle, FederationRelationship } from "./federation.ts";
import type { IssuanceRecord } from "./issuance.ts";
import type { Policy, RecordedPolicySet } from "./policy-set.ts";
import type { RegistrationEntry } from "./registration-entry.ts";
import type { EventsPruned, HoldLifted, HoldPlaced, SnapshotTaken } from "./retention-event.ts";
import type { RevocationReason } from "./revocation.ts";
import type { RiskLevel, RiskScope } from "./risk.ts";
import type { TakenEvent } from "./security-event.ts";
import type { TakenReceipt } from "./signed-receipt.ts";
import type { Segment, TrustDomain } from "./spiffe-id.ts";
import type { ClosedState, OpenedStep } from "./step.ts";
import type { UnixMicros, UnixSeconds } from "./time.ts";
import type { ShownTool } from "./tool-definition.ts";
import type { Usage } from "./usage.ts";

/**
 * Everything the ledger can say. Types are closed and versioned: a change of an event's members is a new `v`.
 * What is hashed is the canonical JSON (RFC 8785 subset) of the event, with its members as named here.
 */
export type LedgerEvent =
  | EpochStarted
  | EntryPut
  | EntryRetired
  | DecisionMade
  | StepOpened
  | StepPending
  | StepApproved
  | StepRefused
  | StepHeld
  | StepRenewed
  | StepClosed
  | CallPending
  | CallApproved
  | CallRefused
  | ProcessEnrolled
  | RunBarred
  | IssuanceRecorded
  | IssuanceUndelivered
  | IssuanceRevoked
  | ExchangeIntended
  | ExchangeAnswered
  | ExchangeEnded
  | AuthorityPut
  | AuthorityTainted
  | FederationPut
  | FederationEnded
  | BundleAccepted
  | JoinTokenCreated
  | JoinTokensRevoked
  | JoinTokenSpent
  | EvidenceSpent
  | PrincipalOffboarded
  | PrincipalReadmitted
  | PrincipalErased
  | ReceiptsTaken
  | ClosureReached
  | UsageReported
  | PolicyPut
  | PolicySetListed
  | PolicySetPut
  | PolicySetActivated
  | RiskSet
  | ToolSeen
  | ToolChanged
  | ToolAccepted
  | ToolForgotten
  | StepsJudged
  | EventStreamPut
  | EventStreamEnded
  | EventsDelivered
  | SecurityEventTaken
  | SnapshotTaken
  | EventsPruned
  | HoldPlaced
  | HoldLifted
  | OperatorActed;

type Event<Type extends string> = { readonly type: Type; readonly v: 1; readonly at: UnixMicros };

/** The first event of the ledger, and the first event after a restored backup was accepted. */
export type EpochStarted = Event<"epoch.started"> & { readonly epoch: string; readonly reason: string };

/** An entry as it is from here on: created, changed, disabled or enabled. */
export type EntryPut = Event<"entry.put"> & { readonly entry: RegistrationEntry; readonly by: Actor };

export type EntryRetired = Event<"entry.retired"> & { readonly entryId: string; readonly by: Actor };

export type DecisionMade = Event<"decision.made"> & { readonly decision: Decision };

/** The step as it was opened. Its state is OPEN and its sequence is the event's, so the event holds neither. */
export type StepOpened = Event<"step.opened"> & { readonly step: OpenedStep };

/** A step that policies hold back until it is approved. As of `step.opened`; `expiresAt` is the approval's `until`. */
export type StepPending = Event<"step.pending"> & { readonly step: OpenedStep; readonly approval: PendingApproval };

/** A step that waited is open from here on. */
export type StepApproved = Event<"step.approved"> & {
  readonly stepId: string;
  /** The decision that allowed it. */
  readonly decisionId: string;
  readonly expiresAt: UnixSeconds;
  readonly reason: string;
  readonly by: OperatorActor;
};

/** An operator refused a step that waited; its close comes next. */
export type StepRefused = Event<"step.refused"> & {
  readonly stepId: string;
  readonly reason: string;
  readonly by: OperatorActor;
};

/** A call of a tool that policies hold back until it is approved. */
export type CallPending = Event<"call.pending"> & { readonly pending: PendingCall };

/** A call that waited may be made once, in `until` (exclusive). The decision that allows it then names the approval. */
export type CallApproved = Event<"call.approved"> & {
  readonly approvalId: string;
  readonly until: UnixSeconds;
  readonly reason: string;
  readonly by: OperatorActor;
};

/** An operator refused a call that waited. */
export type CallRefused = Event<"call.refused"> & {
  readonly approvalId: string;
  readonly reason: string;
  readonly by: OperatorActor;
};

/** Someone began to hold the step (`held`), so that from here on the step needs a hold to stay open. */
/** `keeper`: the broker that keeps the step from here on, among those that share the ledger. */
export type StepHeld = Event<"step.held"> & { readonly stepId: string; readonly keeper?: string };

export type StepRenewed = Event<"step.renewed"> & { readonly stepId: string; readonly leaseExpiresAt: UnixMicros };

/** A process may open steps from here on, although it descends from another that has a part in steps. */
export type ProcessEnrolled = Event<"process.enrolled"> & {
  /** As `formatProcess` writes it. */
  readonly process: string;
  readonly by: Actor;
};

/**
 * The close of a step and of all its live descendants, which end in `descendantState(state)`. Rebuilding follows the
 * parent links; `count` and `digest` tell whether it found the same steps.
 */
export type StepClosed = Event<"step.closed"> & {
  readonly stepId: string;
  readonly state: ClosedState;
  readonly reason: RevocationReason;
  /** Steps closed, the root included. */
  readonly count: number;
  /** SHA-256, hexadecimal, of the sorted step ids, each followed by a line feed. */
  readonly digest: string;
  /** Issuances not yet expired that the close revokes. */
  readonly revoked: number;
  /** The decision that says why, where policies closed the step. */
  readonly decisionId?: string;
  readonly by: Actor;
};

/** No step of this run may be opened any more. */
export type RunBarred = Event<"run.barred"> & { readonly runId: string; readonly by: Actor };

/** `executable` is set on the first issuance to a process executor: every later one must be for this executable. */
export type IssuanceRecorded = Event<"issuance.recorded"> & {
  readonly issuance: IssuanceRecord;
  readonly executable?: string;
};

/** The signature failed, or a close came before the delivery: the credential never left the broker. */
export type IssuanceUndelivered = Event<"issuance.undelivered"> & { readonly issuanceId: string };

/** One credential was taken back; its step stays open. */
export type IssuanceRevoked = Event<"issuance.revoked"> & {
  readonly issuanceId: string;
  readonly reason: RevocationReason;
  readonly by: Actor;
};

/** Another system is about to be asked for a secret for a step: whatever becomes of it, there is nothing that no event names. */
export type ExchangeIntended = Event<"exchange.intended"> & { readonly exchange: ExchangeIntent };

/** What the other system answered. */
export type ExchangeAnswered = Event<"exchange.answered"> & {
  readonly exchangeId: string;
  readonly outcome: ExchangeOutcome;
};

/** Nothing of an exchange is good any more at the other system. */
export type ExchangeEnded = Event<"exchange.ended"> & {
  readonly exchangeId: string;
  readonly ending: ExchangeEnding;
};

/** An authority as it is from here on. Keys are hexadecimal DER, public parts only. */
export type AuthorityPut = Event<"authority.put"> & {
  readonly authority: Omit<Authority, "publicKey" | "certificate" | "upstream" | "tainted"> & {
    readonly publicKey: string;
    readonly certificate?: string;
    readonly upstream?: readonly string[];
  };
};

/**
 * An authority is trusted no more, and all that it had signed is taken back. Rebuilding finds the credentials by what
 * was still acceptable at this instant; `count` and `digest` tell whether it found the same credentials.
 */
export type AuthorityTainted = Event<"authority.tainted"> & {
  readonly authorityId: string;
  readonly reason: RevocationReason;
  /** Issuances that the tainting revokes. */
  readonly count: number;
  /** SHA-256, hexadecimal, of the sorted issuance ids, each followed by a line feed. */
  readonly digest: string;
  readonly by: Actor;
};

/** Where the keys of a foreign trust domain are taken from, from here on. */
export type FederationPut = Event<"federation.put"> & {
  readonly relationship: FederationRelationship;
  readonly by: Actor;
};

/** The keys of a foreign trust domain are believed no more. */
export type FederationEnded = Event<"federation.ended"> & { readonly trustDomain: TrustDomain; readonly by: Actor };

/** A foreign trust domain's keys as they are from here on. */
export type BundleAccepted = Event<"bundle.accepted"> & {
  readonly trustDomain: TrustDomain;
  readonly bundle: Pick<FederatedBundle, "document" | "sequence">;
};

/** Whoever presents the token with this digest in time is attested once, under this name. */
export type JoinTokenCreated = Event<"join_token.created"> & {
  /** Of the token, hexadecimal. */
  readonly sha256: string;
  readonly name: Segment;
  /** Exclusive. */
  readonly expiresAt: UnixSeconds;
  readonly by: Actor;
};

/** All join tokens of this name that nobody had used were revoked. */
export type JoinTokensRevoked = Event<"join_token.revoked"> & {
  readonly name: Segment;
  readonly count: number;
  readonly by: Actor;
};

export type JoinTokenSpent = Event<"join_token.spent"> & { readonly sha256: string; readonly name: Segment };

/** Evidence that counts once was presented, and is refused from here on. */
export type EvidenceSpent = Event<"evidence.spent"> & {
  readonly attestor: "oidc";
  /** Of the evidence, hexadecimal. */
  readonly sha256: string;
  /** Exclusive: from then on the evidence is refused as expired. */
  readonly expiresAt: UnixSeconds;
};

/** The text of a policy. Sets name it by its digest, so a policy that several sets have is recorded once. */
export type PolicyPut = Event<"policy.put"> & { readonly digest: string; readonly policy: Policy };

/** Policies of a set that is about to be put, in the order of their ids; as many of these events as the set takes. */
export type PolicySetListed = Event<"policy_set.listed"> & {
  readonly version: number;
  readonly digests: readonly string[];
};

/** A set of policies, complete: those listed under its version just before. */
export type PolicySetPut = Event<"policy_set.put"> & {
  readonly set: Pick<RecordedPolicySet, "version" | "root" | "origin"> & {
    readonly count: number;
    readonly dataClasses: DataClasses;
  };
  readonly by: Actor;
};

/** The set that decides from here on; version 0: none, and the ceilings alone decide. */
export type PolicySetActivated = Event<"policy_set.activated"> & {
  readonly version: number;
  readonly reason: string;
  readonly by: Actor;
};

/** How much risk a scope bears until it lapses. */
export type RiskSet = Event<"risk.set"> & {
  readonly scope: RiskScope;
  readonly level: RiskLevel;
  /** Exclusive. */
  readonly expiresAt: UnixSeconds;
  readonly reason: string;
  readonly by: Actor;
};

/** A server shows a tool that nobody has reported of it before. */
export type ToolSeen = Event<"tool.seen"> & {
  readonly tool: ShownTool;
  /** Whether the definition is pinned from here on; otherwise it waits until an operator accepts it. */
  readonly pinned: boolean;
  readonly by: Actor;
};

/** A server shows another definition of a tool, which nobody has reported of it before. */
export type ToolChanged = Event<"tool.changed"> & {
  readonly tool: ShownTool;
  /** Digest of the definition that is pinned; absent: none. */
  readonly pinned?: string;
  readonly by: Actor;
};

/** This definition of a tool is pinned from here on. Of the others, only the one that was pinned before is kept. */
export type ToolAccepted = Event<"tool.accepted"> & {
  readonly location: string;
  readonly tool: string;
  readonly sha256: string;
  /** Digest of the definition that was pinned until now; absent: none was. */
  readonly pinned?: string;
  readonly reason: string;
  readonly by: OperatorActor;
};

/** Nothing is kept of a tool any more: the next report of it is the first. */
export type ToolForgotten = Event<"tool.forgotten"> & {
  readonly location: string;
  readonly tool: string;
  readonly reason: string;
  readonly by: OperatorActor;
};

/** These open steps were judged anew, on the state of the world as of a sequence, and may go on. */
export type StepsJudged = Event<"steps.judged"> & { readonly through: number; readonly stepIds: readonly string[] };

/** What verifiers have acknowledged: cumulative, at most one event a second. */
export type ReceiptsTaken = Event<"receipts.taken"> & {
  readonly receipts: readonly TakenReceipt[];
};

/**
 * The close with this sequence is `CLOSED`, before time alone made it so: whoever could accept what was closed has applied
 * it or lapsed, and no exchange is unconfirmed. Recorded when it is first told.
 */
export type ClosureReached = Event<"closure.reached"> & { readonly closedSequence: number };

/** No step may be opened for this principal any more. The event names nobody: see `RecordedPrincipal`. */
export type PrincipalOffboarded = Event<"principal.offboarded"> & { readonly principalId: string; readonly by: Actor };

/** Steps may be opened for this principal again. */
export type PrincipalReadmitted = Event<"principal.readmitted"> & { readonly principalId: string; readonly by: Actor };

/** The key of all that was sealed of this principal before is deleted. */
export type PrincipalErased = Event<"principal.erased"> & { readonly principalId: string; readonly by: Actor };

/**
 * What a verifier has reported of calls. Counts are cumulative: those of the same step, tool, action and outcome before
 * are in them, and so is the gap, which counts the calls that were left out.
 */
export type UsageReported = Event<"usage.reported"> & {
  readonly entryId: string;
  readonly usages: readonly Usage[];
  readonly gap: number;
};

/** A receiver of security events has a stream, or another one than before. */
export type EventStreamPut = Event<"event_stream.put"> & { readonly stream: EventStream; readonly by: Actor };

export type EventStreamEnded = Event<"event_stream.ended"> & { readonly streamId: string; readonly by: Actor };

/** Through which sequence receivers have all that concerns them: cumulative, at most one event a second. */
export type EventsDelivered = Event<"events.delivered"> & {
  readonly streams: readonly { readonly streamId: string; readonly sequence: number }[];
};

/** An identity provider's event about a principal was taken; what it ended is in the events that follow. */
export type SecurityEventTaken = Event<"security_event.taken"> & {
  readonly event: TakenEvent;
  /** Exclusive. */
  readonly expiresAt: UnixSeconds;
};

/** An act of an operator that no other event names whole, e.g. a revocation by principal. */
export type OperatorActed = Event<"operator.acted"> & {
  readonly act: string;
  readonly target: string;
  readonly reason: string;
  readonly by: Actor;
};

/** What an operator's answer is to those who look at the step, or the call, later. */
export function answerOf(
  { by, reason, at }: StepApproved | StepRefused | CallApproved | CallRefused,
  approved: boolean,
): ApprovalAnswer {
  return { approved, by: { entryId: by.entryId, uid: by.uid }, reason, at };
}
