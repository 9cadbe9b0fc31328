import type { DataClasses } from "../../domain/data-classes.ts";
import { BrokerError } from "../../domain/errors.ts";
import { sortedSet } from "../../domain/sorted-set.ts";
import type { PolicyAnswer, PolicyEffect, PolicyRequest } from "../../ports/policy-engine.ts";
import type { Answered } from "./answered.ts";
import { ask, type CedarValueJson, type EntityJson } from "./cedar-library.ts";
import type { CompiledPolicy } from "./compile-policy.ts";
import { together } from "./effects.ts";
import { indexPolicies } from "./policy-index.ts";
import { looksAtCounts, looksAtOpener } from "./policy-reads.ts";
import { type PolicyQuestion, questionsOf, questionsOfWhole } from "./questions.ts";
import type { LookedAt } from "./remembered.ts";
import { ENTITIES, SITUATION, stepId, USE } from "./situation.ts";
import type { Slice, SliceKind, Slices } from "./slices.ts";

/** A set that is ready to be asked. */
export type LoadedSet = {
  evaluate(request: PolicyRequest): { readonly answer: PolicyAnswer; readonly lookedAt: LookedAt };
};

/**
 * @param name - of the set, never used for another.
 * @param answered - by slice, and what any policy of the slice looks at.
 */
export function createLoadedSet(
  name: string,
  policies: readonly CompiledPolicy[],
  dataClasses: DataClasses,
  slices: Slices,
  answered: Answered<PolicyEffect>,
): LoadedSet {
  const index = indexPolicies(policies);
  const countsSteps = policies.some(({ reads }) => looksAtCounts(reads));

  function effectOf(question: PolicyQuestion, situation: Situation): PolicyEffect {
    const { request } = situation;
    const tool = "tool" in question ? question.tool : undefined;
    const concerning = index.concerning({
      action: question.action,
      agent: request.agent,
      ...(tool !== undefined && { tool }),
    });
    // What asks for an approval that was given does not count, and is not evaluated either.
    const positions =
      request.approved === undefined
        ? concerning
        : concerning.filter((position) => !isAnswered(policies[position], request));
    const sliceOf = (kind: SliceKind): Slice => slices.of(name, kind, policies, positions);
    const isAnyTool = tool === "*";
    const slice = sliceOf(isAnyTool ? "any-tool" : "named");
    situation.asked[tool === undefined ? "onSteps" : "onTools"].add(slice);
    const unanswerable =
      request.openerUnknown === true ? slice.policies.filter(({ reads }) => looksAtOpener(reads)) : [];
    if (unanswerable.length > 0) {
      return { effect: "deny", policies: [], errors: sortedSet(unanswerable.map(({ policyId }) => policyId)) };
    }
    const put = putTo(slice, question, situation, dataClasses);
    const known = answered.get(put.key);
    if (known !== undefined) return known;
    situation.charge(put.key.length);
    const effect = judged(put.ask(slice), slice, () => {
      const permits = sliceOf(isAnyTool ? "any-tool-permits" : "named-permits");
      const { decision, errors } = putTo(permits, question, situation, dataClasses).ask(permits);
      return decision === "allow" && errors.length === 0;
    });
    answered.set(put.key, effect);
    return effect;
  }

  return {
    evaluate(request) {
      const situation = situationOf(request);
      const ofAll = (questions: readonly PolicyQuestion[]): PolicyEffect =>
        together(questions.map((question) => effectOf(question, situation)));
      const answer: PolicyAnswer = {
        whole: ofAll(questionsOfWhole(request)),
        elements: request.elements.map((element) => {
          const questions = questionsOf(element);
          return questions.length === 0 ? NOTHING_ASKED : ofAll(questions);
        }),
        ...(countsSteps ? { countsSteps } : {}),
      };
      return { answer, lookedAt: lookedAtBy(situation.asked) };
    },
  };
}

function isAnswered(policy: CompiledPolicy | undefined, { approved, approvedPolicies }: PolicyRequest): boolean {
  if (policy === undefined || policy.approval !== approved) return false;
  return approvedPolicies === undefined || approvedPolicies.includes(policy.policyId);
}

/** A slice's permits alone look at nothing that the slice does not look at. */
type AskedSlices = { readonly onTools: Set<Slice>; readonly onSteps: Set<Slice> };

/** Which tool, server and class of data a question is about is left out: it follows from the request's elements. */
function lookedAtBy({ onTools, onSteps }: AskedSlices): LookedAt {
  const all = [...onTools, ...onSteps];
  return {
    parts: sortedSet(all.flatMap(({ parts }) => [...parts].filter((path) => path in SITUATION))),
    principal: all.some(({ looksInto }) => looksInto.principal),
    steps: all.some(({ looksInto }) => looksInto.parent) || [...onSteps].some((slice) => slice.looksAtResource),
  };
}

const NOTHING_ASKED: PolicyEffect = { effect: "deny", policies: [] };

/** @param permittedOtherwise - whether the permits alone would allow it. */
function judged(
  { decision, reason, errors }: ReturnType<typeof ask>,
  slice: Slice,
  permittedOtherwise: () => boolean,
): PolicyEffect {
  // The library skips a policy that can't be evaluated. It may have been the one that forbids.
  if (errors.length > 0) {
    const policies = decision === "deny" ? sortedSet(reason) : [];
    return { effect: "deny", policies, errors: sortedSet(errors) };
  }
  const policies = sortedSet(reason);
  if (decision === "allow") return { effect: "allow", policies };
  const [role, ...others] = new Set(
    slice.policies.filter(({ policyId }) => policies.includes(policyId)).map(({ approval }) => approval),
  );
  const isApprovable = role !== undefined && others.length === 0 && permittedOtherwise();
  return { effect: "deny", policies, ...(isApprovable && { approval: role }) };
}

/**
 * What policies look at, in all questions of a request together. Where one looks at all servers of a request, a thousand
 * questions with a thousand servers each took fifteen seconds; this much takes about one.
 */
const ASKED_CHARACTERS_MAX = 4 * 1024 * 1024;

/** A request, and the parts of its context that were made so far: each once, whatever the number of questions. */
type Situation = {
  readonly request: PolicyRequest;
  readonly asked: AskedSlices;
  /** @throws BrokerError LIMIT_EXCEEDED when the questions of the request have become too much together */
  charge(characters: number): void;
  part(path: string): { readonly value: CedarValueJson | undefined; readonly text: string };
};

function situationOf(request: PolicyRequest): Situation {
  const made = new Map<string, { readonly value: CedarValueJson | undefined; readonly text: string }>();
  let charged = 0;
  return {
    request,
    asked: { onTools: new Set(), onSteps: new Set() },
    charge(characters) {
      charged += characters;
      if (charged <= ASKED_CHARACTERS_MAX) return;
      throw new BrokerError(
        "LIMIT_EXCEEDED",
        "grant: too many servers and data classes at once; ask for fewer in one step",
        {
          metadata: { field: "grant" },
        },
      );
    },
    part(path) {
      const known = made.get(path);
      if (known !== undefined) return known;
      const value = SITUATION[path]?.(request);
      const part = { value, text: value === undefined ? "" : JSON.stringify(value) };
      made.set(path, part);
      return part;
    },
  };
}

/** A question with what the slice looks at, and nothing else. `key` is all of that. */
function putTo(
  slice: Slice,
  question: PolicyQuestion,
  { request, part }: Situation,
  dataClasses: DataClasses,
): { readonly key: string; ask(slice: Slice): ReturnType<typeof ask> } {
  const use = "use" in question ? question.use : undefined;
  const context: [string, CedarValueJson][] = [];
  const entities: EntityJson[] = [];
  let key = `${slice.number} ${question.action}`;
  for (const path of slice.parts) {
    const ofUse = USE[path];
    if (ofUse === undefined) {
      const { value, text } = part(path);
      if (value !== undefined) context.push([path, value]);
      key += `\n${text}`;
    } else if (use !== undefined) {
      const value = ofUse(use, dataClasses);
      context.push([path, value]);
      key += `\n${JSON.stringify(value)}`;
    }
  }
  const { looksInto } = slice;
  if (looksInto.server && use !== undefined) entities.push(ENTITIES.server(use));
  if (looksInto.principal && request.principal !== undefined) {
    const principal = ENTITIES.principal(request.principal);
    entities.push(principal);
    key += `\n${JSON.stringify(principal)}`;
  }
  const parent = request.parent && ENTITIES.step(request.parent.agent, request.parent.name);
  const isDelegate = question.action === "delegate";
  if (parent !== undefined && (looksInto.parent || (isDelegate && slice.looksAtResource))) entities.push(parent);
  const resource = resourceOf(question, request);
  if (slice.looksAtResource) {
    key += `\n${JSON.stringify(resource)}`;
    if ("tool" in question) entities.push(ENTITIES.tool(question.tool));
    else if (!isDelegate) entities.push(ENTITIES.step(request.agent, request.name));
  }
  if (slice.looksAtAgent) key += `\n${JSON.stringify(request.agent)}`;
  return {
    key,
    ask: ({ name }) =>
      ask(name, {
        principal: { type: "Agent", id: request.agent },
        action: { type: "Action", id: question.action },
        resource,
        context: nested(context),
        entities,
      }),
  };
}

function resourceOf(question: PolicyQuestion, { agent, name, parent }: PolicyRequest): { type: string; id: string } {
  if ("tool" in question) return { type: "Tool", id: question.tool };
  const step = question.action === "delegate" && parent !== undefined ? parent : { agent, name };
  return { type: "Step", id: stepId(step.agent, step.name) };
}

/** Values by their path, as records in records. The paths are ours: none comes from outside. */
function nested(parts: readonly (readonly [string, CedarValueJson])[]): Record<string, CedarValueJson> {
  const whole: Record<string, CedarValueJson> = {};
  for (const [path, value] of parts) {
    const [first = "", second] = path.split(".");
    if (second === undefined) whole[first] = value;
    else whole[first] = { ...(whole[first] as Record<string, CedarValueJson> | undefined), [second]: value };
  }
  return whole;
}
