export type ToolUse = { readonly tool: string; readonly arguments: Readonly<Record<string, unknown>> };

/** `[[send_mail {"to":"…","text":"{{customers}}"}]]`: an order in a text; braces name what a tool gave last. */
const ORDER = /\[\[(\w+) (\{.*?\})\]\]/g;
const GIVEN = /\{\{(\w+)\}\}/g;

/**
 * Stands for a language model: works through its plan, and obeys every order in what it reads, before it goes on. Real models obey some, and
 * nobody can say which; whatever holds against this one holds against them.
 */
export type ScriptedModel = {
  /** @param tool - whose answer it is; absent: a description of a tool. */
  read(text: string, tool?: string): void;
  /** `undefined`: it has nothing more to do. */
  next(): ToolUse | undefined;
};

export function scriptedModel(plan: readonly ToolUse[]): ScriptedModel {
  const toDo = [...plan];
  const given = new Map<string, string>();
  return {
    read(text, tool) {
      if (tool !== undefined) given.set(tool, text);
      const orders = [...text.matchAll(ORDER)].map(([, name = "", json = "{}"]) => ({
        tool: name,
        arguments: JSON.parse(json) as ToolUse["arguments"],
      }));
      toDo.unshift(...orders);
    },
    next() {
      const use = toDo.shift();
      if (use === undefined) return undefined;
      const filled = Object.entries(use.arguments).map(([name, value]) => [name, filledIn(value, given)]);
      return { tool: use.tool, arguments: Object.fromEntries(filled) };
    },
  };
}

function filledIn(value: unknown, given: ReadonlyMap<string, string>): unknown {
  return typeof value === "string" ? value.replaceAll(GIVEN, (_, tool: string) => given.get(tool) ?? "") : value;
}
