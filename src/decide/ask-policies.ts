import { confinementOf } from "../domain/data-classes.ts";
import type { OpenerFacts, Situation } from "../domain/decision.ts";
import { BrokerError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { KnownPrincipal } from "../domain/principal.ts";
import type { RunFacts } from "../domain/run-facts.ts";
import type { PolicyAnswer, PolicyEngine, PolicyRequest, Principal } from "../ports/policy-engine.ts";
import type { World } from "./world.ts";

/** What is asked of the policies, apart from the state of the world. */
export type Question = Omit<PolicyRequest, "facts" | "risk" | "confinedTo" | "at" | "principal"> & {
  readonly principal?: KnownPrincipal;
};

/** What the policies said, and the situation that was put to them; or where none are in force, who asks. */
export type Asked = { readonly answer: PolicyAnswer; readonly situation?: Situation; readonly opening?: OpenerFacts };

/**
 * Asks the policies in force. Where none are, whatever the ceiling permits is permitted.
 *
 * @param facts - what counts as granted before: the world's facts, unless the step that is asked about is among them.
 * @throws BrokerError as `PolicyEngine.evaluate` does
 */
export async function askPolicies(
  question: Question,
  { policies, risk, at, facts: known }: World,
  engine: Pick<PolicyEngine, "evaluate">,
  facts: RunFacts = known,
): Promise<Asked> {
  if (policies.version === 0) return { answer: ceilingAlone(question), ...openingOf(question) };
  checkSizes(question, facts);
  const confined = confinement(question, facts, policies.dataClasses);
  const answer = await engine.evaluate(policies.root, {
    ...question,
    ...forWhom(question),
    facts,
    risk,
    ...confined,
    at,
  });
  return { answer, situation: situationOf(question, { policyVersion: policies.version, facts, risk, at }) };
}

/** Whose approval sets which policies aside; nothing where nobody has approved. */
export function approvalIn({
  approved,
  approvedPolicies,
}: Pick<PolicyRequest, "approved" | "approvedPolicies">): Pick<PolicyRequest, "approved" | "approvedPolicies"> {
  return {
    ...(approved === undefined ? {} : { approved }),
    ...(approvedPolicies === undefined ? {} : { approvedPolicies }),
  };
}

/** The principal without what only the ledger needs of them. */
export function forWhom({
  principal,
}: {
  readonly principal?: Principal | undefined;
}): Pick<PolicyRequest, "principal"> {
  if (principal === undefined) return {};
  const { iss, sub, claims } = principal;
  return { principal: { iss, sub, claims } };
}

const PERMITTED = { effect: "allow", policies: [] } as const;

function ceilingAlone({ elements }: Question): PolicyAnswer {
  return { whole: PERMITTED, elements: elements.map(() => PERMITTED) };
}

/**
 * What is put to the policies is recorded whole, and what is too large to be recorded must not be cut to fit. Classes that
 * are asked for count: once they were granted, no policy could be asked of the run's steps any more.
 */
function checkSizes({ selectors, elements }: Question, { classes }: RunFacts): void {
  if (bytesOf(selectors) > LIMITS.policySelectorsBytesMax) {
    throw new BrokerError("LIMIT_EXCEEDED", `at most ${LIMITS.policySelectorsBytesMax} bytes of attested selectors`);
  }
  const known = new Set([...classes, ...elements.flatMap(({ datatypes }) => datatypes)]);
  if (bytesOf([...known]) > LIMITS.factClassesBytesMax) {
    throw new BrokerError("LIMIT_EXCEEDED", `at most ${LIMITS.factClassesBytesMax} bytes of data classes in one run`);
  }
}

/** What could not be put to policies is of no use to them later. */
function openingOf({ runtime, parent, selectors }: Question): Pick<Asked, "opening"> {
  if (bytesOf(selectors) > LIMITS.policySelectorsBytesMax) return {};
  const opening = {
    ...(runtime === undefined ? {} : { runtime }),
    ...(parent === undefined ? {} : { parent }),
    selectors,
  };
  return { opening };
}

/** As they are recorded: a selector may hold quotes. */
function bytesOf(texts: readonly string[]): number {
  return Buffer.byteLength(JSON.stringify(texts));
}

/** What is asked for counts as granted: a step must not read what is restricted and write it elsewhere in one go. */
export function confinement(
  { elements }: Pick<Question, "elements">,
  { classes }: Pick<RunFacts, "classes">,
  known: World["policies"]["dataClasses"],
): Pick<PolicyRequest, "confinedTo"> {
  const confinedTo = confinementOf([...classes, ...elements.flatMap(({ datatypes }) => datatypes)], known);
  return confinedTo === undefined ? {} : { confinedTo };
}

function situationOf(
  { runtime, principal, workflow, parent, depth, selectors, openerUnknown, ...question }: Question,
  world: Pick<Situation, "policyVersion" | "facts" | "risk" | "at">,
): Situation {
  return {
    ...world,
    ...(runtime === undefined ? {} : { runtime }),
    ...(principal === undefined ? {} : { principalId: principal.principalId }),
    ...(workflow === undefined ? {} : { workflow }),
    ...(parent === undefined ? {} : { parent }),
    depth,
    ...(openerUnknown === undefined ? {} : { openerUnknown }),
    ...approvalIn(question),
    selectors,
  };
}
