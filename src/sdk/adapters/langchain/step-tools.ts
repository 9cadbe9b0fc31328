import { StintError } from "../../runtime/index.ts";
import { shownError, type ToolSettings, workOnCall } from "../index.ts";
import { type NamedRunSettings, namedRunOf } from "../named-run.ts";
import { withMember } from "../replaced-member.ts";
import { checkToolNames } from "../tool-names.ts";
import { type GraphConfig, graphCallOf, threadIdOf } from "./graph-call.ts";
import { isGraphBubbleUp, outcomeOfGraph } from "./graph-outcome.ts";

/** A tool of LangChain (`StructuredTool`), as far as it is needed here. */
export type GraphTool = { readonly name: string; readonly description: string };

/** A run is the graph's thread, by its `thread_id`, which then must not be that of another graph. */
export type GraphSettings = ToolSettings & NamedRunSettings<GraphConfig>;

type Call = (input: unknown, runManager: RunManager | undefined, config?: GraphConfig) => unknown;
type RunManager = { handleToolEvent?(event: unknown): unknown };

/**
 * Tools of LangChain whose calls work in steps, for `ToolNode`, `createAgent` and every other node that calls them. `currentStep()` is the
 * step within them, and the signal in their configuration aborts with it too.
 *
 * A call that an interrupt leaves is cancelled; its body runs again on resume, as the next attempt, which supersedes one that is still at
 * work. A refusal is thrown as ToolRefusal, which the node hands to the model.
 *
 * @param tools - made by `tool()`, or of another class of `StructuredTool`; they are left as they are.
 * @throws StintError INVALID_FIELD for what is no such tool, and where `calls` names one that is not there, or leaves one out
 * @example
 * const agent = createAgent({ model, tools: stepTools([search], { opener: stint, calls: { search: { grant } } }), checkpointer });
 */
export function stepTools<const Tools extends readonly GraphTool[]>(tools: Tools, settings: GraphSettings): Tools {
  checkToolNames(
    tools.map(({ name }) => name),
    settings,
  );
  return tools.map((tool) => stepTool(tool, settings)) as unknown as Tools;
}

function stepTool<Tool extends GraphTool>(tool: Tool, settings: GraphSettings): Tool {
  const call = "_call" in tool ? tool._call : undefined;
  if (typeof call !== "function") {
    const message = `tools: ${tool.name} is no StructuredTool, so its calls can't be put into steps`;
    throw new StintError("INVALID_FIELD", message, { metadata: { field: "tools" } });
  }
  const inStep = inStepOf(tool.name, (...given) => call.apply(tool, given), settings);
  return withMember(tool, "_call", inStep);
}

function inStepOf(tool: string, call: Call, settings: GraphSettings): Call {
  return async (input, runManager, config = {}) => {
    try {
      const run = namedRunOf(config, settings, threadIdOf);
      return await workOnCall(
        graphCallOf(tool, input, config),
        { ...settings, run },
        async (_step, signal) => consumed(await call(input, runManager, { ...config, signal }), runManager),
        outcomeOfGraph,
      );
    } catch (thrown) {
      throw isGraphBubbleUp(thrown) ? thrown : shownError(thrown, tool);
    }
  };
}

/** A tool that reports as it works is a generator. It is run here, as LangChain would, because its work belongs into the step. */
async function consumed(result: unknown, runManager: RunManager | undefined): Promise<unknown> {
  if (!isAsyncGenerator(result)) return result;
  try {
    for (;;) {
      const { done, value } = await result.next();
      if (done === true) return value;
      await runManager?.handleToolEvent?.(value);
    }
  } finally {
    await result.return(undefined);
  }
}

function isAsyncGenerator(value: unknown): value is AsyncGenerator<unknown, unknown, undefined> {
  return typeof value === "object" && value !== null && "next" in value && typeof value.next === "function";
}
