import { LIMITS } from "../../domain/limits.ts";
import type { Policy, PolicySet } from "../../domain/policy-set.ts";
import { sortedSet } from "../../domain/sorted-set.ts";
import type { PolicyFinding } from "../../ports/policy-engine.ts";
import {
  type DetailedError,
  type ParsedSchema,
  type PolicyJson,
  parsePolicy,
  validatePolicies,
} from "./cedar-library.ts";
import { type CompiledPolicy, compilePolicy } from "./compile-policy.ts";
import { complexityProblem } from "./policy-complexity.ts";
import { isPrefix } from "./policy-reads.ts";
import { CONTEXT_PARTS } from "./situation.ts";

/** Who can be asked to approve what a policy forbids. */
const APPROVAL_ROLES: readonly (string | null)[] = ["operators"];
const ANNOTATIONS = ["id", "approval"];
/** As many as are looked at in some ten milliseconds; in between, questions are answered. */
const POLICIES_AT_ONCE = 16;

/** The policies of a set, and what is wrong with them: syntax, names, types, and whatever the validator warns of. */
export type CheckedSet = { readonly findings: readonly PolicyFinding[]; readonly policies: readonly CompiledPolicy[] };

/** @param pause - awaited now and then, so that a large set does not hold up others. */
export async function checkSet(
  { policies }: Pick<PolicySet, "policies">,
  schema: ParsedSchema,
  pause: () => Promise<void>,
): Promise<CheckedSet> {
  const findings: PolicyFinding[] = [];
  const compiled: CompiledPolicy[] = [];
  const seen = new Set<string>();
  if (policies.length > LIMITS.policiesPerSetMax) {
    const [first] = policies;
    const message = `expected at most ${LIMITS.policiesPerSetMax} policies in a set`;
    return { findings: [{ file: first?.file ?? "", line: 1, column: 1, message }], policies: [] };
  }
  for (let from = 0; from < policies.length; from += POLICIES_AT_ONCE) {
    const some: Policy[] = [];
    for (const policy of policies.slice(from, from + POLICIES_AT_ONCE)) {
      const problems = [...(seen.has(policy.policyId) ? [problem("another policy of the set has this id too")] : [])];
      seen.add(policy.policyId);
      const json = problems.length > 0 ? undefined : parsed(policy, problems);
      if (json !== undefined) {
        problems.push(...annotationProblems(policy, json));
        const one = compilePolicy(policy.policyId, policy.text, json);
        problems.push(...unknownTests(one));
        compiled.push(one);
        some.push(policy);
      }
      findings.push(...problems.map((each) => findingOf(policy, each)));
    }
    findings.push(...validated(some, schema));
    await pause();
  }
  return { findings: inOrder(findings), policies: compiled };
}

function problem(message: string): DetailedError {
  return { message, help: null, code: null, url: null, severity: null };
}

function parsed({ text }: Policy, problems: DetailedError[]): PolicyJson | undefined {
  if (Buffer.byteLength(text) > LIMITS.policyBytesMax) {
    problems.push(problem(`expected at most ${LIMITS.policyBytesMax} bytes`));
    return undefined;
  }
  const complexity = complexityProblem(text);
  if (complexity !== undefined) {
    problems.push(problem(complexity));
    return undefined;
  }
  const answer = parsePolicy(text);
  if ("json" in answer) return answer.json;
  problems.push(...answer.errors);
  return undefined;
}

function annotationProblems({ policyId }: Policy, { effect, annotations = {} }: PolicyJson): readonly DetailedError[] {
  const problems: string[] = [];
  for (const [name, value] of Object.entries(annotations)) {
    if (!ANNOTATIONS.includes(name)) problems.push(`@${name}: expected no annotation but ${ANNOTATIONS.join(", ")}`);
    if (name === "id" && value !== policyId) problems.push("@id: the policy is not known by this id");
    if (name !== "approval") continue;
    if (effect === "permit") problems.push("@approval: expected on a forbid, not on a permit");
    if (!APPROVAL_ROLES.includes(value)) problems.push(`@approval: expected one of ${APPROVAL_ROLES.join(", ")}`);
  }
  return problems.map(problem);
}

/** The validator takes an unknown name behind `has` for an attribute that is not there: `unless { context has typo }`. */
function unknownTests({ reads }: CompiledPolicy): readonly DetailedError[] {
  return reads.tested
    .filter((path) => !CONTEXT_PARTS.some(({ names }) => isPrefix(path, names) || isPrefix(names, path)))
    .map((path) => problem(`context has ${path.join(".")}: no context ever has that`));
}

function validated(policies: readonly Policy[], schema: ParsedSchema): readonly PolicyFinding[] {
  const byId = new Map(policies.map((policy) => [policy.policyId, policy]));
  const texts = Object.fromEntries(policies.map(({ policyId, text }) => [policyId, text]));
  return validatePolicies(schema, texts).map(({ policyId, error }) => {
    const policy = policyId === undefined ? undefined : byId.get(policyId);
    return policy === undefined ? unplaced(policies[0], error) : findingOf(policy, error);
  });
}

function unplaced(policy: Policy | undefined, { message }: DetailedError): PolicyFinding {
  return { file: policy?.file ?? "", line: policy?.line ?? 1, column: 1, message };
}

function findingOf({ policyId, file, line, text }: Policy, error: DetailedError): PolicyFinding {
  const [location] = error.sourceLocations ?? [];
  const before = Buffer.from(text)
    .subarray(0, location?.start ?? indentOf(text))
    .toString("utf8");
  const lines = before.split("\n");
  const label = location !== undefined && "label" in location ? location.label : null;
  const parts = [plainMessage(error.message), ...[label, error.help].filter((part) => part !== null)];
  return {
    file,
    line: line + lines.length - 1,
    column: (lines.at(-1)?.length ?? 0) + 1,
    policyId,
    message: parts.join("; "),
  };
}

/** A policy that begins in the middle of a line has blanks in front. */
function indentOf(text: string): number {
  return text.length - text.trimStart().length;
}

/** Without what the library says of the policy's id, which it was told by us, or was not told. */
function plainMessage(message: string): string {
  return message.replace(/^failed to parse policy (?:with id `[^`]*` )?from string: |^for policy `[^`]*`[,:] /, "");
}

const ACTION = /Action::"[a-z_]+"/;

/** By place; what is said once for each action at the same place is said once, with the actions. */
function inOrder(findings: readonly PolicyFinding[]): readonly PolicyFinding[] {
  const byPlace = Map.groupBy(findings, ({ file, line, column, message }) =>
    JSON.stringify([file, line, column, message.replace(ACTION, "")]),
  );
  const merged = [...byPlace.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return [];
    const actions = [first, ...others].map(({ message }) => ACTION.exec(message)?.[0] ?? "");
    return [{ ...first, message: first.message.replace(ACTION, sortedSet(actions).join(", ")) }];
  });
  return merged.sort(
    (a, b) => compare(a.file, b.file) || a.line - b.line || a.column - b.column || compare(a.message, b.message),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
