import type { Action } from "../domain/grant.ts";
import { isObject, type JsonObject } from "../domain/strict-json.ts";
import type { ToolNeeds } from "../sdk/mcp-guard/guard-settings.ts";

/** What calling each tool takes: as configured, and more where the server itself says that the tool changes something. */
export type TightenedTools = {
  readonly tools: ReadonlyMap<string, ToolNeeds>;
  /** Names of the tools whose every call the broker decides. */
  readonly checked: ReadonlySet<string>;
  /** Takes note of a result of `tools/list`. What was tightened stays so, whatever the server says later. */
  observe(result: JsonObject): void;
};

/**
 * A server's annotations are its own word: they may ask for more than the configuration does, and never for less.
 *
 * @param checkedActions - calls that do one of these are decided by the broker.
 * @param told - told of each tool that takes more from then on.
 * @see MCP, ToolAnnotations
 */
export function createTightenedTools(
  configured: ReadonlyMap<string, ToolNeeds>,
  {
    checked,
    checkedActions,
    told,
  }: {
    readonly checked: ReadonlySet<string>;
    readonly checkedActions: readonly Action[];
    readonly told: (tool: string) => void;
  },
): TightenedTools {
  const tools = new Map(configured);
  const all = new Set(checked);
  return {
    tools,
    checked: all,
    observe({ tools: listed }) {
      for (const one of Array.isArray(listed) ? listed : []) {
        if (!isObject(one) || typeof one["name"] !== "string" || !changesSomething(one["annotations"])) continue;
        const { name } = one;
        const needs = tools.get(name);
        if (needs === undefined || needs.actions.includes("write")) continue;
        tools.set(name, { ...needs, actions: [...needs.actions, "write"] });
        if (checkedActions.includes("write")) all.add(name);
        told(name);
      }
    },
  };
}

function changesSomething(annotations: unknown): boolean {
  if (!isObject(annotations)) return false;
  return annotations["readOnlyHint"] === false || annotations["destructiveHint"] === true;
}
