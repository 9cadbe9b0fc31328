import type { DetailedError, EntityJson, PolicyJson } from "@cedar-policy/cedar-wasm/nodejs";
import * as cedar from "@cedar-policy/cedar-wasm/nodejs";

export type {
  CedarValueJson,
  Clause,
  DetailedError,
  EntityJson,
  Expr,
  PolicyJson,
} from "@cedar-policy/cedar-wasm/nodejs";

/** What Cedar says of one question. An error is no denial: Cedar skips a policy that fails and may answer `allow`. */
export type CedarAnswer = {
  readonly decision: "allow" | "deny";
  readonly reason: readonly string[];
  readonly errors: readonly string[];
};

export type Question = {
  readonly principal: cedar.TypeAndId;
  readonly action: cedar.TypeAndId;
  readonly resource: cedar.TypeAndId;
  readonly context: Readonly<Record<string, cedar.CedarValueJson>>;
  readonly entities: readonly EntityJson[];
};

/** A policy as the library takes it in: as text, or changed by us. */
export type PolicySource = string | PolicyJson;

/** What is wrong with a policy, by the library's own account; warnings count, since a misspelt name may be no more. */
export type PolicyProblem = { readonly policyId: string | undefined; readonly error: DetailedError };

/** The policy in JSON, or why it is none. */
export function parsePolicy(
  text: string,
): { readonly json: PolicyJson } | { readonly errors: readonly DetailedError[] } {
  const answer = cedar.policyToJson(text);
  return answer.type === "success" ? { json: answer.json } : { errors: answer.errors };
}

/** A schema that need not be parsed again for each few policies that are validated against it. */
export type ParsedSchema = { readonly json: cedar.SchemaJson<string> };

export function parseSchema(text: string): ParsedSchema {
  const answer = cedar.schemaToJson(text);
  if (answer.type === "failure") throw new TypeError(`the schema of policies is not valid: ${textOf(answer.errors)}`);
  return { json: answer.json };
}

/** @param policies - that parse, by id. */
export function validatePolicies(
  { json: schema }: ParsedSchema,
  policies: Readonly<Record<string, string>>,
): readonly PolicyProblem[] {
  const answer = cedar.validate({ schema, policies: { staticPolicies: policies } });
  if (answer.type === "failure") {
    return [...answer.errors, ...answer.warnings].map((error) => ({ policyId: undefined, error }));
  }
  // Of a policy with a name that there is not, a warning only says that it can't match anything.
  const faulty = new Set(answer.validationErrors.map(({ policyId }) => policyId));
  return [
    ...answer.validationErrors,
    ...answer.validationWarnings.filter(({ policyId }) => !faulty.has(policyId)),
    ...answer.otherWarnings.map((error) => ({ policyId: undefined, error })),
  ];
}

/** Makes policies ready to be asked under a name; what was there under that name is let go of. */
export function prepare(name: string, policies: Readonly<Record<string, PolicySource>>): void {
  const answer = cedar.preparsePolicySet(name, { staticPolicies: policies });
  if (answer.type === "failure")
    throw new TypeError(`policies that were checked can't be prepared: ${textOf(answer.errors)}`);
}

/** @throws Error when the question can't be put, which is no answer and so a deny. */
export function ask(name: string, { principal, action, resource, context, entities }: Question): CedarAnswer {
  const answer = cedar.statefulIsAuthorized({
    principal,
    action,
    resource,
    context,
    preparsedPolicySetId: name,
    // The schema is what policies were validated against. A request is made of values that fit it, less those that no policy
    // looks at, and a schema would take the lack of them for a mistake.
    validateRequest: false,
    entities: [...entities],
  });
  if (answer.type === "failure") throw new TypeError(`a question can't be put: ${textOf(answer.errors)}`);
  const { decision, diagnostics } = answer.response;
  return { decision, reason: diagnostics.reason, errors: diagnostics.errors.map(({ policyId }) => policyId) };
}

function textOf(errors: readonly DetailedError[]): string {
  return errors.map(({ message }) => message).join("; ");
}
