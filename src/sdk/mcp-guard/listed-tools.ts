import { isObject, type JsonObject } from "../../domain/strict-json.ts";
import { type ToolDefinition, toolDefinitionOf } from "../../domain/tool-definition.ts";

/** In place of a digest: the server shows two definitions under one name, or one that nobody could read. Pinned it never is. */
export const AMBIGUOUS = "ambiguous";

/** What a server shows of its tools: to everybody, and where it shows each their own to each. Bounded, the oldest first. */
export type ListedTools = {
  /**
   * Takes note of a page of a list.
   *
   * @param caller - whose list it is.
   * @param isFirst - whether a list begins with it.
   * @returns the definitions on it that are shown under one name alone.
   */
  note(result: JsonObject, caller: string, isFirst: boolean): readonly ToolDefinition[];
  /** Digest of a tool as its caller was shown it last, or else as anybody was; AMBIGUOUS, or `undefined` where nobody was. */
  digest(tool: string, caller: string): string | undefined;
  /** The definition with this digest, while it is known. */
  definition(tool: string, sha256: string): ToolDefinition | undefined;
};

/** Steps at one time of a busy server; of one that is forgotten, what was shown to anybody last counts. */
const CALLERS_MAX = 1_000;
/** Of one tool: as many as a broker keeps. */
const DEFINITIONS_MAX = 8;

type Shown = {
  /** By tool. */
  readonly digests: Map<string, string>;
  /** Names in the list that is being read. */
  readonly inList: Set<string>;
};

/** @param declared - the tools that may be called at all; of others nothing is kept, however many a server lists. */
export function createListedTools(declared: ReadonlyMap<string, unknown>): ListedTools {
  const callers = new Map<string, Shown>();
  const newest = new Map<string, string>();
  const definitions = new Map<string, Map<string, ToolDefinition>>();

  function shownTo(caller: string): Shown {
    const shown = callers.get(caller) ?? { digests: new Map(), inList: new Set() };
    callers.delete(caller);
    callers.set(caller, shown);
    const [oldest] = callers.keys();
    if (callers.size > CALLERS_MAX && oldest !== undefined) callers.delete(oldest);
    return shown;
  }

  function keep(shown: ToolDefinition): void {
    const ofTool = definitions.get(shown.tool) ?? new Map<string, ToolDefinition>();
    definitions.set(shown.tool, ofTool);
    ofTool.delete(shown.sha256);
    ofTool.set(shown.sha256, shown);
    const [oldest] = ofTool.keys();
    if (ofTool.size > DEFINITIONS_MAX && oldest !== undefined) ofTool.delete(oldest);
  }

  return {
    note({ tools }, caller, isFirst) {
      const { digests, inList } = shownTo(caller);
      if (isFirst) inList.clear();
      const found = new Map<string, ToolDefinition>();
      for (const listed of Array.isArray(tools) ? tools : []) {
        const tool = isObject(listed) ? listed["name"] : undefined;
        if (typeof tool !== "string" || !declared.has(tool)) continue;
        const shown = toolDefinitionOf(listed as JsonObject);
        const isSecond = inList.has(tool) && digests.get(tool) !== shown?.sha256;
        const digest = shown === undefined || isSecond ? AMBIGUOUS : shown.sha256;
        inList.add(tool);
        digests.set(tool, digest);
        newest.set(tool, digest);
        if (shown === undefined || isSecond) found.delete(tool);
        else found.set(tool, shown);
      }
      for (const shown of found.values()) keep(shown);
      return [...found.values()];
    },
    digest: (tool, caller) => callers.get(caller)?.digests.get(tool) ?? newest.get(tool),
    definition: (tool, sha256) => definitions.get(tool)?.get(sha256),
  };
}
