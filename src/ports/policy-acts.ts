import type { Actor } from "../domain/actor.ts";
import type { DecidedOn, Decision } from "../domain/decision.ts";
import type { PolicySet, RecordedPolicySet } from "../domain/policy-set.ts";
import type { RiskLevel, RiskScope } from "../domain/risk.ts";
import type { UnixMicros, UnixSeconds } from "../domain/time.ts";

/** The acts of what decisions are made on, and of judging anew by it. The others are in `ledger-acts.ts`, with the list of all. */

/**
 * Records a set of policies under the next version, or finds the version that has the same root. INVALID_FIELD
 * `policies` for two policies with one id; LIMIT_EXCEEDED beyond `LIMITS.policiesPerSetMax` or
 * `LIMITS.policySetBytesMax`.
 */
export type PutPolicySetAct = {
  readonly act: "put-policy-set";
  readonly set: PolicySet;
  readonly origin: RecordedPolicySet["origin"];
  /** Puts the set in force in the same transaction. */
  readonly activates?: Pick<ActivatePolicySetAct, "reason">;
  readonly by: Actor;
  readonly now: UnixMicros;
};

/** `sequence` is 0 where nothing had to be recorded. */
export type PolicySetResult = {
  readonly kind: "policy-set";
  readonly version: number;
  readonly root: string;
  readonly sequence: number;
};

/**
 * Puts a set of policies in force, 0 for none. Idempotent: sequence 0 for the set that is in force. INVALID_FIELD
 * `version` where there is no such set.
 */
export type ActivatePolicySetAct = {
  readonly act: "activate-policy-set";
  readonly version: number;
  readonly reason: string;
  readonly by: Actor;
  readonly now: UnixMicros;
};

/**
 * Sets the risk of a scope anew, whatever it was. What `raisesOnly` is refused NOT_ENTITLED where the level in force is
 * greater, and lasts at least as long as a level in force that is not `low`.
 */
export type SetRiskAct = {
  readonly act: "set-risk";
  readonly scope: RiskScope;
  readonly level: RiskLevel;
  /** Exclusive. */
  readonly expiresAt: UnixSeconds;
  readonly reason: string;
  readonly raisesOnly?: true;
  readonly by: Actor;
  readonly now: UnixMicros;
};

/**
 * Records what judging open steps anew came to: steps that may go on, and decisions that deny, each of which closes its
 * step as REVOKED with all its descendants. A step that was closed meanwhile is left out. Where `decidedOn` no longer
 * stands for a step, that step is left out too, and is among the `outdated`.
 */
export type JudgeStepsAct = {
  readonly act: "judge-steps";
  /** The state of the world as of this sequence is taken account of. */
  readonly through: number;
  readonly judged: readonly JudgedStep[];
  readonly now: UnixMicros;
};

export type JudgedStep = {
  readonly stepId: string;
  readonly decidedOn: DecidedOn;
  /** Absent: the step may go on. */
  readonly denial?: Decision;
};
