import type { DataClasses } from "../domain/data-classes.ts";
import type { Grant } from "../domain/grant.ts";
import type { PolicySet } from "../domain/policy-set.ts";
import type { RiskAround } from "../domain/risk.ts";
import type { RunFacts } from "../domain/run-facts.ts";
import type { Segment, StepName } from "../domain/spiffe-id.ts";
import type { UnixMicros } from "../domain/time.ts";

/** What is asked for: that a step be opened, that an open step may go on, that one tool be called now. */
export const POLICY_ACTS = ["open", "judge", "call"] as const;
export type PolicyAct = (typeof POLICY_ACTS)[number];

/** One question: who asks for what, in which situation. What decides is in here, and nothing else decides. */
export type PolicyRequest = {
  readonly act: PolicyAct;
  readonly agent: Segment;
  readonly name: StepName;
  /** The runtime's entry that opens the step; absent where the agent opens its steps itself. */
  readonly runtime?: Segment;
  readonly principal?: Principal;
  readonly workflow?: string;
  /** The step that this step is delegated from: a hop, which is a decision of its own. */
  readonly parent?: { readonly agent: Segment; readonly name: StepName };
  /** All that is asked for, so that combinations can be forbidden. */
  readonly requested: Grant;
  /** What is to be answered: the elements of `requested` that ceiling and parent permit. */
  readonly elements: Grant;
  /** Data classes and actions that were granted in the run before this request, and its steps. */
  readonly facts: RunFacts;
  readonly risk: RiskAround;
  /** 0 for a step without a parent. */
  readonly depth: number;
  /** Attested selectors of the caller, sorted. */
  readonly selectors: readonly string[];
  /** Neither `runtime` nor `selectors` is known: whatever looks at one of them can't be answered, which denies. */
  readonly openerUnknown?: true;
  /**
   * Where the run may still write, execute and move data, this request's data classes taken into account; absent where
   * nothing is out of bounds (`confinementOf`).
   */
  readonly confinedTo?: readonly string[];
  readonly at: UnixMicros;
  /** The role that approved the request: policies that ask for its approval are set aside. */
  readonly approved?: string;
  /** The policies that were in the way of what was approved: no others are set aside. Absent: whichever ask for it. */
  readonly approvedPolicies?: readonly string[];
};

/** Whom a step works for, as a token of an identity provider said. */
export type Principal = {
  readonly iss: string;
  readonly sub: string;
  readonly claims: Readonly<Record<string, string | number | boolean | readonly string[]>>;
};

/** What policies say of one thing that was asked. */
export type PolicyEffect = {
  readonly effect: "allow" | "deny";
  /** The policies that determined the effect, sorted; none for what no policy permits. */
  readonly policies: readonly string[];
  /** Policies that could not be evaluated, sorted. Where there is one, the effect is deny. */
  readonly errors?: readonly string[];
  /** Who may approve what is denied: set when policies annotated with `@approval` alone stand in the way. */
  readonly approval?: string;
};

export type PolicyAnswer = {
  /** Whether the step may be opened at all, and the hop from its parent made. */
  readonly whole: PolicyEffect;
  /** One answer for each element of `elements`, in the same order. An element without an answer is denied. */
  readonly elements: readonly PolicyEffect[];
  /** The answer may hang on how many steps the run has, or has open. */
  readonly countsSteps?: true;
};

/** What is wrong with a policy, or with a set. `line` and `column` from 1, in the policy's file. */
export type PolicyFinding = {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Absent where the text could not be told apart into policies. */
  readonly policyId?: string;
  readonly message: string;
};

/**
 * Decides at run time within ceiling and parent's grant, which `decide` has applied before. Never keeps the event loop
 * waiting.
 */
export type PolicyEngine = {
  /** What keeps a set from being put in force: syntax, names and types that no request has. Empty: it may be. */
  check(set: PolicySet): Promise<readonly PolicyFinding[]>;
  /**
   * Makes a set ready to be asked under its root, and holds it for the caller, once for each load. A set that is ready
   * already costs nothing.
   *
   * @throws BrokerError INVALID_FIELD `policies` for a set that `check` finds fault with
   */
  load(root: string, set: PolicySet): Promise<void>;
  /** Lets go of one hold of a set. The set can be asked until nobody holds it. */
  unload(root: string): void;
  /**
   * Denies what no policy permits, and whatever a policy could not be evaluated on.
   *
   * @throws BrokerError LIMIT_EXCEEDED beyond `LIMITS.policyEvaluationsMax`; NOT_SERVING where the engine can't answer.
   *   Any throw is a deny.
   */
  evaluate(root: string, request: PolicyRequest): Promise<PolicyAnswer>;
  close(): Promise<void>;
};

/** The set in force, as the ledger has it. */
export type PoliciesInForce = {
  /** 0: no set is in force, and the ceilings alone decide. */
  readonly version: number;
  /** Empty where no set is in force. */
  readonly root: string;
  /** Of the event that put the set in force; 0: no set ever was. The guard that nothing else was put in force since. */
  readonly sequence: number;
  readonly dataClasses: DataClasses;
};
