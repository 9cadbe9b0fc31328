import type { Expr, PolicyJson } from "./cedar-library.ts";

/** What a policy looks at, so that what no policy looks at need not be handed over. */
export type Reads = {
  /** Parts of the context, each as its path: `["risk", "highest"]`; an empty path is the context as a whole. */
  readonly paths: readonly (readonly string[])[];
  /** Paths that follow a `has`: the validator takes a name that is misspelt there for an attribute that is missing. */
  readonly tested: readonly (readonly string[])[];
  readonly principal: boolean;
  readonly resource: boolean;
  /** Whether an attribute is asked of something else than the context and the variables, e.g. of an `if`. */
  readonly indirect: boolean;
};

type Found = { -readonly [Member in keyof Reads]: Reads[Member] extends boolean ? boolean : (readonly string[])[] };

/** What the conditions of a policy look at; its scope is not counted. */
export function readsOfConditions({ conditions }: PolicyJson): Reads {
  return readsOf(...conditions.map(({ body }) => body));
}

export function readsOf(...expressions: readonly Expr[]): Reads {
  const found: Found = { paths: [], tested: [], principal: false, resource: false, indirect: false };
  for (const expression of expressions) walk(expression, found);
  return found;
}

/** Whether a condition could tell one tool from another. */
export function looksAtTool({ resource, paths }: Reads): boolean {
  return resource || paths.some((path) => isPrefix(path, TOOLS) || isPrefix(TOOLS, path));
}

/** Whether a condition could tell apart how many steps a run has, or has open. */
export function looksAtCounts({ paths }: Reads): boolean {
  return paths.some(([name]) => name === undefined || name === "steps" || name === "stepsOpen");
}

/** Whether a condition could tell who opened the step. */
export function looksAtOpener({ paths }: Reads): boolean {
  return paths.some(([name]) => name === undefined || name === "runtime" || name === "selectors");
}

const TOOLS = ["requested", "tools"] as const;

/** Whether `a` is `b`, or a whole that `b` is a part of. */
export function isPrefix(a: readonly string[], b: readonly string[]): boolean {
  return a.every((part, index) => part === b[index]);
}

function walk(expression: Expr, found: Found): void {
  const path = contextPath(expression);
  if (path !== undefined) {
    found.paths.push(path);
    return;
  }
  const [[operator, operand] = ["", undefined]] = Object.entries(expression) as [string, unknown][];
  switch (operator) {
    case "Value":
    case "Slot":
      break;
    case "Var":
      // The action is a part of every question, and the context has been seen as a path.
      found.principal ||= operand === "principal";
      found.resource ||= operand === "resource";
      break;
    case "has":
      walkHas(operand as HasOperand, found);
      break;
    case ".":
      walkBase((operand as { left: Expr }).left, found);
      break;
    case "like":
      walk((operand as { left: Expr }).left, found);
      break;
    default:
      // `Set`, `Record`, `if-then-else`, operators with `left` and `right` or `arg`, `is` with a type's name, functions.
      for (const part of Object.values(operand as Record<string, Expr | string>)) {
        if (typeof part === "object") walk(part, found);
      }
  }
}

type HasOperand = { readonly left: Expr; readonly attr: string | readonly string[] };

function walkHas({ left, attr }: HasOperand, found: Found): void {
  const base = contextPath(left);
  if (base === undefined) {
    walkBase(left, found);
    return;
  }
  const path = [...base, ...(typeof attr === "string" ? [attr] : attr)];
  found.paths.push(path);
  found.tested.push(path);
}

function walkBase(base: Expr, found: Found): void {
  if (!("Var" in base)) found.indirect = true;
  walk(base, found);
}

/** The path of `context.a.b`; `undefined` for any other expression. */
function contextPath(expression: Expr): readonly string[] | undefined {
  if ("Var" in expression) return expression.Var === "context" ? [] : undefined;
  if (!("." in expression)) return undefined;
  const { left, attr } = expression["."] as { left: Expr; attr: string };
  const base = contextPath(left);
  return base === undefined ? undefined : [...base, attr];
}
