import type { Approval, ApprovalAnswer, PendingApproval } from "./approval.ts";
import type { Executor } from "./executor.ts";
import type { Grant } from "./grant.ts";
import type { RecordedPrincipal } from "./principal.ts";
import type { ProcessIdentity } from "./process.ts";
import type { RevocationReason } from "./revocation.ts";
import type { FactScope } from "./run-facts.ts";
import type { Segment, SpiffeId } from "./spiffe-id.ts";
import { addMicros, microsOf, type UnixMicros, type UnixSeconds } from "./time.ts";

export const STEP_STATES = [
  "PENDING_APPROVAL",
  "OPEN",
  "COMPLETED",
  "FAILED",
  "CANCELLED",
  "EXPIRED",
  "ABANDONED",
  "SUPERSEDED",
  "REVOKED",
  "REFUSED",
] as const;
export type StepState = (typeof STEP_STATES)[number];

/** States a step does not leave. */
export type ClosedState = Exclude<StepState, "PENDING_APPROVAL" | "OPEN">;

/** Why the credentials of a step are revoked when it ends, by the state in which it ends. */
export const REASON_OF_STATE = {
  COMPLETED: "cessationOfOperation",
  FAILED: "cessationOfOperation",
  CANCELLED: "cessationOfOperation",
  EXPIRED: "cessationOfOperation",
  ABANDONED: "cessationOfOperation",
  SUPERSEDED: "superseded",
  REVOKED: "privilegeWithdrawn",
  REFUSED: "privilegeWithdrawn",
} as const satisfies Record<ClosedState, RevocationReason>;

/** Only `OPEN` permits anything; a state that this version does not know counts as closed. */
export function permits(state: string): boolean {
  return state === "OPEN";
}

export function isClosed(state: StepState): state is ClosedState {
  return state !== "OPEN" && state !== "PENDING_APPROVAL";
}

/** A step as the ledger holds it. Absent members are absent in the event too. */
export type Step = {
  readonly stepId: string;
  readonly runId: Segment;
  readonly step: Segment;
  readonly attempt: number;
  readonly agent: Segment;
  readonly agentEntryId: string;
  readonly openerEntryId: string;
  readonly opener: ProcessIdentity;
  readonly executor: Executor;
  readonly spiffeId: SpiffeId;
  readonly state: StepState;
  readonly workflow?: string;
  readonly purpose?: string;
  readonly grant: Grant;
  /** In addition to the grant's locations. */
  readonly audiences: readonly string[];
  readonly openedAt: UnixMicros;
  readonly expiresAt: UnixSeconds;
  readonly leaseSeconds?: number;
  readonly leaseExpiresAt?: UnixMicros;
  /** Once held, a step needs a hold to stay open. */
  readonly held: boolean;
  /**
   * The broker, among those that share the ledger, at which the step was opened, or is held by now: it ends the step in time. Absent: the
   * ledger is shared with nobody.
   */
  readonly keeper?: string;
  readonly parentStepId?: string;
  /** Of the token by which the opener was let below its parent; absent where the opener could name the parent. */
  readonly delegationJti?: string;
  readonly depth: number;
  /** Whom the step works for. */
  readonly principal?: RecordedPrincipal;
  /** Where the grant counts beside the step's own run. Absent: in the run alone. */
  readonly factScopes?: readonly FactScope[];
  readonly requestId?: string;
  readonly requestDigest?: string;
  readonly decisionId: string;
  /** Set for a step that waits for approval, or once waited for it. */
  readonly approval?: Approval;
  /** Of its opening, or of its request where it had to be approved. */
  readonly openedSequence: number;
  /** Up to which sequence the step was judged anew on the state of the world. Absent: not since its opening. */
  readonly judgedSequence?: number;
  readonly closedSequence?: number;
  readonly closedAt?: UnixMicros;
  readonly closeReason?: RevocationReason;
  /** The decision that says why, where policies closed the step. */
  readonly closeDecisionId?: string;
};

/** A step as its opening event holds it; what the ledger adds afterwards is left out. */
export type OpenedStep = Omit<
  Step,
  | "state"
  | "approval"
  | "openedSequence"
  | "judgedSequence"
  | "closedSequence"
  | "closedAt"
  | "closeReason"
  | "closeDecisionId"
  | "held"
  | "leaseExpiresAt"
>;

/** The step that an opening with this sequence makes. */
export function asOpened(step: OpenedStep, openedSequence: number): Step {
  const { leaseSeconds, openedAt } = step;
  const lease = leaseSeconds === undefined ? {} : { leaseExpiresAt: leaseEnd(openedAt, leaseSeconds) };
  return { ...step, ...lease, state: "OPEN", held: false, openedSequence };
}

/** The step that waits for approval from this sequence on. */
export function asPending(step: OpenedStep, approval: PendingApproval, openedSequence: number): Step {
  return { ...asOpened(step, openedSequence), state: "PENDING_APPROVAL", approval };
}

/** What the approval of a step says, and when. */
export type ApprovedTerms = {
  readonly decisionId: string;
  readonly expiresAt: UnixSeconds;
  readonly answer: ApprovalAnswer;
  /** Of the approval's event: what the step was decided on is the state of the world as of then. */
  readonly sequence: number;
};

/** A step that waited, once it is approved: it is opened by then, and its lease begins then. */
export function asApproved(step: Step, { decisionId, expiresAt, answer, sequence }: ApprovedTerms): Step {
  const { leaseSeconds, approval } = step;
  return {
    ...step,
    ...(leaseSeconds === undefined ? {} : { leaseExpiresAt: leaseEnd(answer.at, leaseSeconds) }),
    ...(approval === undefined ? {} : { approval: { ...approval, answer } }),
    state: "OPEN",
    openedAt: answer.at,
    expiresAt,
    decisionId,
    judgedSequence: sequence,
  };
}

/** The audiences a step can get credentials for. */
export function audiencesOf(step: Pick<Step, "grant" | "audiences">): readonly string[] {
  return [...new Set([...step.grant.flatMap((element) => element.locations), ...step.audiences])];
}

/**
 * The state in which a live descendant ends when its ancestor ends. COMPLETED and FAILED are the outcome of the
 * ancestor alone, while the descendant was cut short; every other state passes down as it is.
 */
export function descendantState(ancestor: ClosedState): ClosedState {
  return ancestor === "COMPLETED" || ancestor === "FAILED" ? "CANCELLED" : ancestor;
}

/** Whether an expiry, which is a whole second and exclusive, has come. */
export function hasExpired(expiresAt: UnixSeconds, now: UnixMicros): boolean {
  return microsOf(expiresAt) <= now;
}

/** The end of a lease that begins, or begins anew, now. */
export function leaseEnd(now: UnixMicros, leaseSeconds: number): UnixMicros {
  return addMicros(now, leaseSeconds * 1_000_000);
}
