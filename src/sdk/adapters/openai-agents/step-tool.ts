import { randomUUID } from "node:crypto";
import { shownError } from "../shown-error.ts";
import { checkToolNamed } from "../tool-names.ts";
import { ToolRefusal } from "../tool-refusal.ts";
import { type ToolSettings, workOnCall } from "../work-on-call.ts";

/** What of a call's details is looked at. */
type CallDetails = {
  readonly toolCall?: { readonly callId: string } | undefined;
  readonly signal?: AbortSignal | undefined;
};

/** What of a tool's options is looked at. */
type ToolOptions = {
  readonly name?: string;
  readonly execute: (input: unknown, context?: unknown, details?: CallDetails) => unknown;
  readonly errorFunction?: unknown;
  readonly outputSchema?: unknown;
};

/**
 * The `tool` function of the OpenAI Agents SDK, for tools that work in steps: each call in one of its own within `inToolRun`, or all in that
 * of the run within `withStep`. `currentStep()` and `stint.fetch` are the step's inside of `execute`; `details.signal` aborts with the
 * step as well.
 *
 * A refusal is what the tool answers to the model: thrown, the Agents SDK would hide it. A tool with an output schema, or with
 * `errorFunction: null`, can't answer in words, so the `ToolRefusal` is thrown and ends the run. An error of the tool itself is what it is
 * without Stint, but for credentials in it.
 *
 * @param tool - of `@openai/agents`; given back with the same type.
 * @throws StintError INVALID_FIELD, when a tool is made that `calls` does not name
 * @example
 * const inStep = stepTool(tool, { calls: { search: { grant } } });
 * const search = inStep({ name: "search", description, parameters, execute: async ({ query }) => … });
 */
export function stepTool<Make extends (options: never) => object>(tool: Make, settings: ToolSettings = {}): Make {
  const make = tool as unknown as (options: ToolOptions) => object;
  const made = (options: ToolOptions): object => {
    const { execute, errorFunction, outputSchema } = options;
    const name = options.name ?? execute.name;
    checkToolNamed(name, settings);
    const throwsRefusals = errorFunction === null || outputSchema !== undefined;

    async function inStep(input: unknown, context?: unknown, details?: CallDetails): Promise<unknown> {
      // A tool that is called by a program, and not for a model, has no id.
      const callId = details?.toolCall?.callId ?? randomUUID();
      const call = { tool: name, callId, input, signal: details?.signal };
      try {
        return await workOnCall(call, settings, (_step, signal) =>
          execute(input, context, withSignal(details, signal)),
        );
      } catch (thrown) {
        const shown = shownError(thrown, name);
        if (shown instanceof ToolRefusal && !throwsRefusals) return shown.message;
        throw shown;
      }
    }
    return make({ ...options, name, execute: inStep });
  };
  return made as unknown as Make;
}

/** The SDK's own marks on the details, which are named by symbols, stay. */
function withSignal(details: CallDetails | undefined, signal: AbortSignal): CallDetails {
  return { ...details, signal };
}
