import type { Clause, Expr, PolicyJson, PolicySource } from "./cedar-library.ts";
import { looksAtTool, type Reads, readsOf, readsOfConditions } from "./policy-reads.ts";

/** A policy with what can be told of it without a request. */
export type CompiledPolicy = {
  readonly policyId: string;
  readonly text: string;
  readonly effect: "permit" | "forbid";
  /** Actions that the policy can concern; absent where it can concern all. */
  readonly actions?: readonly string[];
  /** Agents that the policy can concern; absent where it can concern all. */
  readonly agents?: readonly string[];
  /** Tools that the policy can concern; absent where it can concern all, or resources that are no tools. */
  readonly tools?: readonly string[];
  readonly reads: Reads;
  /** Who may approve what the policy forbids. */
  readonly approval?: string;
  /** How the policy takes part where any tool is asked for; absent where it doesn't. */
  readonly forAnyTool?: { readonly source: PolicySource; readonly reads: Reads };
};

export function compilePolicy(policyId: string, text: string, json: PolicyJson): CompiledPolicy {
  const { effect, annotations } = json;
  const actions = actionsOf(json);
  const agents = idsOf(json.principal, "Agent") ?? namedFirst(json, "principal", "Agent");
  const tools = idsOf(json.resource, "Tool") ?? namedFirst(json, "resource", "Tool");
  const approval = annotations?.["approval"];
  const reads = withScope(readsOfConditions(json), json);
  const forAnyTool = anyToolForm(text, json, reads);
  return {
    policyId,
    text,
    effect,
    ...(actions !== undefined && { actions }),
    ...(agents !== undefined && { agents }),
    ...(tools !== undefined && { tools }),
    reads,
    ...(typeof approval === "string" && { approval }),
    ...(forAnyTool !== undefined && { forAnyTool }),
  };
}

type Scope = PolicyJson["principal"] | PolicyJson["resource"];

/** The scope looks at its variable too, unless all that it asks is the type, which each action has one of. */
function withScope(reads: Reads, { principal, resource }: PolicyJson): Reads {
  const looks = (scope: Scope) => scope.op !== "All" && !(scope.op === "is" && scope.in === undefined);
  return { ...reads, principal: reads.principal || looks(principal), resource: reads.resource || looks(resource) };
}

/** The one entity that a scope asks for, if it has that type. Agents and tools have no parents, so `in` is `==`. */
function idsOf(scope: Scope, type: string): readonly string[] | undefined {
  const uid = scope.op === "All" ? undefined : scope.op === "is" ? entityOf(scope.in) : entityOf(scope);
  return uid?.type === type ? [uid.id] : undefined;
}

function actionsOf({ action }: PolicyJson): readonly string[] | undefined {
  if (action.op === "All") return undefined;
  if ("entities" in action) return action.entities.flatMap((entity) => entityOf({ entity })?.id ?? []);
  const uid = entityOf(action);
  return uid === undefined ? undefined : [uid.id];
}

type Uid = { readonly type: string; readonly id: string };

/** What a scope compares with; `undefined` for a slot, which no policy of a set has. */
function entityOf(holder: object | undefined): Uid | undefined {
  if (holder === undefined || !("entity" in holder)) return undefined;
  const entity = holder.entity as Uid | { readonly __entity: Uid };
  return "__entity" in entity ? entity.__entity : entity;
}

/**
 * The entities that the first thing a policy asks names: `when { principal == Agent::"a" && … }`, or
 * `when { [Agent::"a", Agent::"b"].contains(principal) && … }`. For any other agent the policy is done there, and can't
 * come to an expression that fails. What is asked later may never be asked because something before it has failed.
 */
function namedFirst(
  { conditions }: PolicyJson,
  variable: "principal" | "resource",
  type: string,
): readonly string[] | undefined {
  const [first] = conditions;
  if (first?.kind !== "when") return undefined;
  let body: Expr = first.body;
  while ("&&" in body) body = (body["&&"] as { left: Expr }).left;
  if ("==" in body) {
    const { left, right } = body["=="] as { left: Expr; right: Expr };
    const other = isVariable(left, variable) ? right : isVariable(right, variable) ? left : undefined;
    return other === undefined ? undefined : literalIds([other], type);
  }
  if ("contains" in body) {
    const { left, right } = body["contains"] as { left: Expr; right: Expr };
    return isVariable(right, variable) && "Set" in left ? literalIds(left["Set"] as Expr[], type) : undefined;
  }
  return undefined;
}

function isVariable(expression: Expr, variable: string): boolean {
  return "Var" in expression && expression.Var === variable;
}

function literalIds(expressions: readonly Expr[], type: string): readonly string[] | undefined {
  const ids: string[] = [];
  for (const expression of expressions) {
    const value = "Value" in expression ? (expression.Value as { __entity?: { type: string; id: string } }) : undefined;
    if (value?.__entity?.type !== type) return undefined;
    ids.push(value.__entity.id);
  }
  return ids;
}

/**
 * The policy as it counts where any tool of a server is asked for. A forbid counts as if every tool that it could tell
 * apart were asked for: what it asks of the tool is taken for met. A permit that looks at the tool counts only if
 * `Tool::"*"` is the tool it is for.
 */
function anyToolForm(text: string, json: PolicyJson, reads: Reads): CompiledPolicy["forAnyTool"] {
  const { effect, resource, conditions } = json;
  const isOfAllTools = resource.op === "All" || (resource.op === "is" && resource.in === undefined);
  const isBlind = isOfAllTools && !looksAtTool(readsOfConditions(json));
  if (isBlind || (effect === "permit" && idsOf(resource, "Tool")?.[0] === "*")) return { source: text, reads };
  if (effect === "permit") return undefined;
  const clauses: Clause[] = [];
  for (const { kind, body } of conditions) {
    if (kind === "when") clauses.push({ kind, body: blindConjunction(body) });
    else if (!isLeftOut(body)) clauses.push({ kind, body });
    if (leavesOutWhatFails(kind, body)) break;
  }
  const source: PolicyJson = { ...json, resource: { op: "All" }, conditions: clauses };
  return { source, reads: withScope(readsOfConditions(source), source) };
}

/** What looks at the tool. And what holds a number that JavaScript can't hold, which would come back as another. */
function isLeftOut(expression: Expr): boolean {
  return looksAtTool(readsOf(expression)) || hasUnsafeNumber(expression);
}

function hasUnsafeNumber(part: unknown): boolean {
  if (typeof part === "number") return !Number.isSafeInteger(part);
  return typeof part === "object" && part !== null && Object.values(part).some(hasUnsafeNumber);
}

/** Without the parts of a conjunction that are left out, nor what is asked after one of them that may fail. */
function blindConjunction(body: Expr): Expr {
  if ("&&" in body) {
    const { left, right } = body["&&"] as { left: Expr; right: Expr };
    if (leavesOutWhatFails("when", left)) return blindConjunction(left);
    return { "&&": { left: blindConjunction(left), right: blindConjunction(right) } };
  }
  return isLeftOut(body) ? { Value: true } : body;
}

/** A policy that fails denies, and what it would have asked after that makes it no better. */
function leavesOutWhatFails(kind: Clause["kind"], body: Expr): boolean {
  if (kind === "when" && "&&" in body) {
    const { left, right } = body["&&"] as { left: Expr; right: Expr };
    return leavesOutWhatFails(kind, left) || leavesOutWhatFails(kind, right);
  }
  return isLeftOut(body) && mayFail(body);
}

/** What never fails in a policy that was validated. Sums leave the range of numbers; dates and the like may not be any. */
const FAILS_NEVER: ReadonlySet<string> = new Set([
  ...["Value", "Var", "Set", "Record", ".", "has", "hasTag", "is", "in", "like"],
  ...["==", "!=", "<", "<=", ">", ">=", "&&", "||", "!", "if-then-else"],
  ...["contains", "containsAll", "containsAny", "isEmpty"],
]);

const LITERALS: ReadonlySet<string> = new Set(["Value", "Var"]);

function mayFail(expression: Expr): boolean {
  return Object.entries(expression).some(([name, operand]) => {
    if (!FAILS_NEVER.has(name)) return true;
    return !LITERALS.has(name) && partsOf(name, operand).some(mayFail);
  });
}

const OPERANDS = ["left", "right", "arg", "if", "then", "else", "in"] as const;

/** The expressions that an operator is put together from. */
function partsOf(name: string, operand: unknown): readonly Expr[] {
  const operands = operand as Readonly<Record<string, unknown>>;
  const parts = name === "Set" || name === "Record" ? Object.values(operands) : OPERANDS.map((one) => operands[one]);
  return parts.filter((part): part is Expr => typeof part === "object" && part !== null);
}
