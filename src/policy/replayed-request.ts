import { requestOf, type UnconfinedRequest } from "../decide/recorded-request.ts";
import type { FewerCalls, Situation } from "../domain/decision.ts";
import type { Grant } from "../domain/grant.ts";
import type { RiskAround } from "../domain/risk.ts";
import { NO_FACTS, type RunFacts, withGrant } from "../domain/run-facts.ts";
import type { Segment } from "../domain/spiffe-id.ts";
import type { EvaluatedDecision } from "../ports/ledger-reads.ts";
import type { Principal } from "../ports/policy-engine.ts";

/** A recorded decision as a question that can be asked again. */
export type ReplayedRequest = {
  readonly decision: EvaluatedDecision;
  readonly request: UnconfinedRequest;
  readonly situation: Situation;
  /** Whether no policies were in force then, so that the situation was found out from what is known of the run. */
  readonly reconstructed: boolean;
};

export type RequestPorts = {
  /** Name of a runtime's entry by its id; `undefined` for any other. */
  readonly runtimeOf: (entryId: string) => Segment | undefined;
  /** What is known of a principal; `undefined` where it was erased. */
  readonly principalOf: (principalId: string) => Promise<Principal | undefined>;
};

/** Runs whose grants are remembered at one time; of one that was forgotten, what was granted before counts no more. */
const RUNS_MAX = 20_000;
const NO_RISK: RiskAround = { domain: "low", agent: "low", run: "low" };

/**
 * Makes questions of decisions, which are given oldest first: what a decision without a recorded situation was made on
 * hangs on those of its run before it.
 *
 * @returns a function that gives `undefined` for a decision that no policy was or could have been asked on, or whose
 *   principal is known no more
 */
export function replayedRequests(
  ports: RequestPorts,
): (one: EvaluatedDecision) => Promise<ReplayedRequest | undefined> {
  const factsOfRuns = new Map<string, RunFacts>();

  function remember({ act, effect, runId, granted }: EvaluatedDecision): void {
    if (act !== "open" || effect !== "allow" || runId === undefined) return;
    const facts = withGrant(factsOfRuns.get(runId) ?? NO_FACTS, granted);
    // Set anew, so that the run that was heard of longest ago comes first, and goes first.
    factsOfRuns.delete(runId);
    factsOfRuns.set(runId, facts);
    const [oldest] = factsOfRuns.keys();
    if (factsOfRuns.size > RUNS_MAX && oldest !== undefined) factsOfRuns.delete(oldest);
  }

  /** Of a step that was opened while no policies were in force. What a ceiling refused then, no policy would permit. */
  function foundOut({
    effect,
    requested,
    granted,
    opened,
    opening,
    decidedAt,
    runId = "",
    callerEntryId = "",
  }: EvaluatedDecision): Situation | undefined {
    if (effect !== "allow" || opened === undefined) return undefined;
    const runtime = opening === undefined ? ports.runtimeOf(callerEntryId) : opening.runtime;
    return {
      policyVersion: 0,
      ...(runtime === undefined ? {} : { runtime }),
      ...opened,
      facts: factsOfRuns.get(runId) ?? NO_FACTS,
      risk: NO_RISK,
      selectors: opening?.selectors ?? [],
      at: decidedAt,
      fewerCalls: fewerCallsOf(requested, granted),
    };
  }

  return async (decision) => {
    const situation = decision.situation ?? foundOut(decision);
    remember(decision);
    if (situation === undefined || !isOfPolicies(decision)) return undefined;
    const { principalId } = situation;
    const principal = principalId === undefined ? undefined : await ports.principalOf(principalId);
    const request = requestOf(decision, situation, principal);
    if (request === undefined) return undefined;
    return { decision, request, situation, reconstructed: decision.situation === undefined };
  };
}

/** What was granted with fewer calls than were requested, of a decision that does not say so. */
function fewerCallsOf(requested: Grant, granted: Grant): readonly FewerCalls[] {
  return requested.flatMap((element, index) => {
    const part = granted.find(({ max_calls: calls = 0, ...rest }) => {
      const { max_calls: asked = 0, ...same } = element;
      return calls < asked && JSON.stringify(rest) === JSON.stringify(same);
    });
    const isGranted = granted.some((one) => JSON.stringify(one) === JSON.stringify(element));
    return part?.max_calls === undefined || isGranted ? [] : [{ element: index, calls: part.max_calls }];
  });
}

/** Budgets, bars and the like refuse whatever the policies say. */
function isOfPolicies({ effect, reason, situation, count }: EvaluatedDecision): boolean {
  if (situation?.closesParent === true || count > 1) return false;
  return effect === "allow" || reason === "POLICY_DENIED" || reason === "DELEGATION_REFUSED";
}

/** What of a request would be granted, of what was answered of its elements. */
export function grantedOf(
  { request, situation }: ReplayedRequest,
  allows: (index: number) => boolean,
  isOpened: boolean,
): Grant | undefined {
  const granted = isOpened ? request.elements.filter((_, index) => allows(index)) : [];
  const isWhole = granted.length === request.requested.length;
  if (!isOpened || (!isWhole && (situation.allowPartial !== true || granted.length === 0))) return undefined;
  return granted;
}
