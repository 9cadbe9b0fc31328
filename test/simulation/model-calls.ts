import type { Decision, ToolCall } from "../../src/domain/decision.ts";
import type { Grant, GrantElement } from "../../src/domain/grant.ts";
import { microsOf, type UnixMicros } from "../../src/domain/time.ts";
import { type ModelCallApprovals, useOf } from "./model-call-approvals.ts";
import {
  entryInForce,
  type History,
  lineageOf,
  type ModelCredential,
  note,
  openBeside,
  promise,
} from "./model-history.ts";

/** What the events say of a call that was allowed. */
export type ModelCall = {
  readonly credential: ModelCredential;
  readonly at: UnixMicros;
  /** How many more such calls were allowed then; absent where nothing counts them. */
  readonly left: number | undefined;
};

/** Calls by the decision that allows them, and how many denials each decision stands for. */
export type ModelCalls = {
  readonly allowed: ReadonlyMap<string, ModelCall>;
  readonly denied: ReadonlyMap<string, number>;
  take(decision: Decision, at: UnixMicros): void;
};

/** One element that counts a call: whose grant it is of, and its place there. */
type Budget = { readonly holder: string; readonly element: number; readonly max: number };

export function createModelCalls(history: History, approvals: Pick<ModelCallApprovals, "use">): ModelCalls {
  const { steps, credentials, policies, facts, callsMade: made } = history;
  const allowed = new Map<string, ModelCall>();
  const denied = new Map<string, number>();

  function allow(decision: Decision, call: ToolCall, at: UnixMicros): void {
    const one = steps.get(decision.stepId ?? "");
    promise(one?.state === "OPEN", "no call is allowed for a step that is not open");
    const { step } = one;
    promise(microsOf(step.expiresAt) > at, "nor for one whose time is over");
    const credential = [...credentials.values()].find(({ record }) => record.jti === call.jti);
    promise(credential?.stepId === step.stepId, "a call is made by a credential of its step");
    const { record, undelivered, revoked } = credential;
    promise(!undelivered && revoked === undefined, "and not by one that was lost or taken back");
    promise(record.audiences.includes(call.location), "nor by one for another server");
    entryInForce(history, step.agentEntryId);
    const { content } = entryInForce(history, decision.callerEntryId ?? "");
    const isItsVerifier = content.kind === "verifier" && content.audiences.includes(call.location);
    promise(isItsVerifier || content.kind === "operator", "who asks is the server's verifier, or an operator");
    const use = useOf(call);
    const stepsOpen = openBeside(history, one).length;
    const classes = facts.classesAround(step);
    const approved = approvals.use(one, decision, call, at);
    const question = { act: "call", elements: [use], at, stepsOpen, classes, approved } as const;
    promise(policies.permits(step, question), "no call is allowed that the policies in force forbid");

    const counting = [...ofCredential(credential, step.grant, use), ...ofSteps(one, use)];
    const names = counting.map(nameOf).toSorted();
    const counted = (call.counted ?? []).map(nameOf).toSorted();
    promise(names.join() === counted.join(), `a call is counted by all that bound it: ${counted}, not ${names}`);
    const left = counting.map((budget) => {
      const name = nameOf(budget);
      const count = (made.get(name) ?? 0) + 1;
      promise(count <= budget.max, "no more calls are allowed than a step and all that it came from are granted");
      made.set(name, count);
      return budget.max - count;
    });
    if (left.length > 0) note(history, "calls counted");
    allowed.set(decision.decisionId, { credential, at, left: left.length === 0 ? undefined : Math.min(...left) });
  }

  /** In the step, and in each step that it was delegated from. */
  function ofSteps(one: Parameters<typeof lineageOf>[1], use: GrantElement): readonly Budget[] {
    return lineageOf(history, one).flatMap(({ stepId, grant }) => budgetsOf(stepId, grant, use));
  }

  /** A credential that allows no fewer calls than its step is counted by the step alone. */
  function ofCredential({ record }: ModelCredential, grant: Grant, use: GrantElement): readonly Budget[] {
    const ofStep = Math.min(...budgetsOf("", grant, use).map(({ max }) => max));
    return budgetsOf(record.issuanceId, record.grant, use).filter(({ max }) => max < ofStep);
  }

  return {
    allowed,
    denied,
    take(decision, at) {
      const { decisionId, call, effect, count } = decision;
      if (decision.act !== "call") return;
      note(history, effect === "allow" ? "calls allowed" : "calls denied", count);
      if (effect === "deny") return void denied.set(decisionId, count);
      promise(call !== undefined && count === 1, "a call that is allowed has a decision of its own");
      allow(decision, call, at);
    },
  };
}

const nameOf = ({ holder, element }: Pick<Budget, "holder" | "element">) => `${holder}/${element}`;

/** The elements of a grant that count a use; none where one without a bound covers it. */
function budgetsOf(holder: string, grant: Grant, use: GrantElement): readonly Budget[] {
  const covering = grant.flatMap((wide, element) =>
    covers(wide, use) ? [{ holder, element, max: wide.max_calls }] : [],
  );
  promise(covering.length > 0, "no call is allowed that a grant on the way does not cover");
  return covering.flatMap(({ max, ...one }) => {
    const isBounded = covering.every((other) => other.max !== undefined);
    return isBounded && max !== undefined ? [{ ...one, max }] : [];
  });
}

function covers({ identifier, locations, actions, datatypes }: GrantElement, use: GrantElement): boolean {
  return (
    (identifier === "*" || identifier === use.identifier) &&
    use.locations.every((one) => locations.includes(one)) &&
    use.actions.every((one) => actions.includes(one)) &&
    use.datatypes.every((one) => datatypes.includes(one))
  );
}
