import type { Decision } from "../domain/decision.ts";
import type { DenialLayer } from "../domain/denial-details.ts";
import type { Grant, GrantElement } from "../domain/grant.ts";
import type { KnownPrincipal } from "../domain/principal.ts";
import type { RiskLevel } from "../domain/risk.ts";
import type { Step } from "../domain/step.ts";
import type { PolicyEffect, PolicyRequest } from "../ports/policy-engine.ts";

/** A decision with all that the ledger knows of why it came out as it did, and what else would have passed. */
export type Explanation = {
  readonly decision: Decision & { readonly sequence: number };
  /** The request as the policies were asked; absent where none was, or where it can't be told any more. */
  readonly request?: PolicyRequest;
  /** Whom it was for, as far as that is known; the claims are those of their newest step where no step was opened. */
  readonly principal?: KnownPrincipal;
  readonly set?: { readonly version: number; readonly root: string };
  /** Why the policies were not asked again. Absent: they were, and what follows is what they say. */
  readonly notAsked?: string;
  /** What the policies say of the step as a whole. */
  readonly whole?: PolicyEffect;
  /** One for each element of the request. */
  readonly elements: readonly ExplainedElement[];
  /** The policies that determined anything of it, in the order of their ids. */
  readonly policies: readonly ExplainedPolicy[];
  /** Open steps that ended with the decision. */
  readonly closes: readonly Pick<Step, "stepId" | "runId" | "step" | "attempt" | "agent">[];
  /** What speaks against the parent going on, once what is asked for were granted: then nothing is granted. */
  readonly endsParent: boolean;
  /** Of a denial: changes that would have passed, the smallest first. */
  readonly changes: readonly PassingChange[];
  /** Why no change was looked for, or not every change; absent where all were. */
  readonly unsearched?: string;
};

export type ExplainedElement = {
  readonly element: GrantElement;
  /** `unknown`: refused, and the ledger does not say by whom. */
  readonly refusedBy?: DenialLayer | "unknown";
  /** What the policies say of it; absent where they were not asked. */
  readonly effect?: PolicyEffect;
};

/** A policy with its source, as the recorded set has it. */
export type ExplainedPolicy = {
  readonly policyId: string;
  /** Absent for what is not in the set: a ceiling, or a policy of an external engine. */
  readonly source?: { readonly file: string; readonly line: number; readonly text: string };
};

/** What would have passed, verified on the recorded facts. Members that are absent stay as they were. */
export type PassingChange = {
  /** What would be asked for instead. */
  readonly grant?: Grant;
  /** What of the request is missing in `grant`, element by element. */
  readonly without: readonly LeftOut[];
  /** The step would not be delegated. */
  readonly withoutParent: boolean;
  /** No risk would be above this. */
  readonly riskAtMost?: RiskLevel;
  /** The role that would have to approve. */
  readonly approval?: string;
};

/** What is left out of one element. Empty lists and no `maxCalls`: the element as a whole. */
export type LeftOut = {
  readonly element: GrantElement;
  /** It would be for no more calls than these. */
  readonly maxCalls?: number;
  readonly actions: readonly string[];
  readonly locations: readonly string[];
  readonly datatypes: readonly string[];
};
