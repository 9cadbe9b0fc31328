import { shownError, type ToolSettings, workOnCall } from "../index.ts";
import { type NamedRunSettings, namedRunOf } from "../named-run.ts";
import { checkToolNamed } from "../tool-names.ts";
import { contextInStep, type MastraContext, mastraCallOf, mastraRunIdOf } from "./tool-context.ts";

/** A run is that of an agent's `generate` or `stream`, or of a workflow, by its `runId`. */
export type MastraSettings = ToolSettings & NamedRunSettings<MastraContext>;

/** What of a tool's options is looked at. One without `execute` works elsewhere. */
type ToolOptions = {
  readonly id: string;
  readonly execute?: ((input: unknown, context: MastraContext) => unknown) | undefined;
};

/**
 * The `createTool` function of Mastra, for tools that work in steps: each call in one of its own, or all in that of the run.
 * `currentStep()` and `stint.fetch` are the step's inside of `execute`, whose `abortSignal` aborts with the step as well.
 *
 * A call that suspends is cancelled, and resumed it is the next attempt. A refusal is thrown as a `ToolRefusal`, whose message Mastra hands
 * to the model; an error of the tool itself stays as it is, but for credentials in it.
 *
 * @param createTool - of `@mastra/core/tools`; given back with the same type.
 * @param settings.calls - by the tools' ids.
 * @throws StintError INVALID_FIELD, when a tool is made that `calls` does not name
 * @example
 * const inStep = stepTool(createTool, { opener: stint, calls: { search: { grant } } });
 * const search = inStep({ id: "search", description, inputSchema, execute: async ({ query }) => … });
 */
export function stepTool<Make extends (options: never) => object>(createTool: Make, settings: MastraSettings): Make {
  const make = createTool as unknown as (options: ToolOptions) => object;
  const made = (options: ToolOptions): object => {
    if (options.execute === undefined) return make(options);
    checkToolNamed(options.id, settings);
    return make({ ...options, execute: inStepOf(options.id, options.execute, settings) });
  };
  return made as unknown as Make;
}

function inStepOf(
  tool: string,
  execute: NonNullable<ToolOptions["execute"]>,
  settings: MastraSettings,
): NonNullable<ToolOptions["execute"]> {
  return async (input, context) => {
    let isSuspended = false;
    const suspended = () => {
      isSuspended = true;
    };
    try {
      return await workOnCall(
        mastraCallOf(tool, input, context),
        { ...settings, run: namedRunOf(context, settings, mastraRunIdOf) },
        (_step, signal) => execute(input, contextInStep(context, signal, suspended)),
        // What a tool returns once it has suspended is nobody's result.
        () => (isSuspended ? "CANCELLED" : undefined),
      );
    } catch (thrown) {
      throw shownError(thrown, tool);
    }
  };
}
