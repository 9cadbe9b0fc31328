import { randomUUID } from "node:crypto";
import { failedByResult, refusedResult } from "../call-tool-result.ts";
import { shownError, type ToolCall, ToolRefusal, type ToolSettings, workOnCall } from "../index.ts";
import { checkToolNamed } from "../tool-names.ts";

/** What of that which the SDK hands to a tool's handler is looked at: MCP's `RequestHandlerExtra`. */
type Extra = {
  readonly signal?: AbortSignal | undefined;
  readonly _meta?: Readonly<Record<string, unknown>> | undefined;
};
type Handler = (input: unknown, extra: Extra) => Promise<object>;

/** Where Claude Code says for which of the model's calls it asks. */
const TOOL_USE_ID = "claudecode/toolUseId";

/**
 * The `tool` function of the Claude Agent SDK, for tools of `createSdkMcpServer` that work in steps: each call in one of its own within
 * `inToolRun`, or all in that of the run within `withStep`. `currentStep()` and `stint.fetch` are the step's inside of the handler; the
 * signal in its second argument aborts with the step as well.
 *
 * A refusal is a result with `isError`, for the model. A result with `isError` fails the step, as does an error, which stays as it is, but for
 * credentials in it.
 *
 * @param tool - of `@anthropic-ai/claude-agent-sdk`; given back with the same type.
 * @param settings.calls - by the tools' own names, without `mcp__…__`.
 * @throws StintError INVALID_FIELD, when a tool is made that `calls` does not name
 * @example
 * const inStep = stepTool(tool, { calls: { search: { grant } } });
 * const search = inStep("search", "Looks something up", { query: z.string() }, async ({ query }) => …);
 */
export function stepTool<Make extends (...given: never) => object>(tool: Make, settings: ToolSettings = {}): Make {
  const make = tool as unknown as (name: string, ...given: unknown[]) => object;
  const made = (name: string, description: string, schema: unknown, handler: Handler, ...more: unknown[]): object => {
    checkToolNamed(name, settings);
    return make(name, description, schema, inStepOf(name, handler, settings), ...more);
  };
  return made as unknown as Make;
}

function inStepOf(tool: string, handler: Handler, settings: ToolSettings): Handler {
  return async (input, extra) => {
    try {
      return await workOnCall(
        callOf(tool, input, extra),
        settings,
        (_step, signal) => handler(input, { ...extra, signal }),
        failedByResult(extra.signal),
      );
    } catch (thrown) {
      const shown = shownError(thrown, tool);
      if (shown instanceof ToolRefusal) return refusedResult(shown);
      throw shown;
    }
  };
}

function callOf(tool: string, input: unknown, { signal, _meta: meta }: Extra): ToolCall {
  const id = meta?.[TOOL_USE_ID];
  // A client that is not Claude Code has the same servers, and says nothing of a model.
  return { tool, callId: typeof id === "string" && id !== "" ? id : randomUUID(), input, signal };
}
