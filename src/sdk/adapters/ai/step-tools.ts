import { isAsyncFunction, isGeneratorFunction } from "node:util/types";
import { withMember } from "../replaced-member.ts";
import { shownError } from "../shown-error.ts";
import { streamOnCall } from "../stream-on-call.ts";
import type { ToolCall } from "../tool-call.ts";
import { checkToolNames } from "../tool-names.ts";
import { type ToolSettings, workOnCall } from "../work-on-call.ts";

/** What of the options of a call is looked at. Those of `ai` 6 and 7 are assignable. */
type CallOptions = { readonly toolCallId: string; readonly abortSignal?: AbortSignal | undefined };

type Execute = (input: unknown, options: CallOptions) => unknown;

/** An `execute` is looked for when the tools are wrapped: those of providers have none, and work elsewhere. */
type Tools = Readonly<Record<string, object>>;

/**
 * Tools of the Vercel AI SDK that work in steps: each call in one of its own within `inToolRun`, or all in that of the run within
 * `withStep`. `currentStep()` and `stint.fetch` are the step's inside of `execute`, whose `abortSignal` aborts with the step as well.
 *
 * A refusal is thrown as a `ToolRefusal`, whose message the AI SDK hands to the model; an error of the tool itself stays as it is, but
 * for credentials in it. A tool that waits for approval of the AI SDK's own has no step until it is approved.
 *
 * @param tools - as for `generateText`; given back with the same types.
 * @param settings.run - for `streamText`, whose tools are called where the stream is read.
 * @throws StintError INVALID_FIELD where `calls` names a tool that is not there, or leaves out one that has an `execute`
 * @example
 * const tools = stepTools({ search }, { calls: { search: { grant } } });
 * await inToolRun({ opener: stint, runId: chatId }, () => generateText({ model, prompt, tools }));
 */
export function stepTools<Given extends Tools>(
  tools: Given,
  settings: ToolSettings<Extract<keyof Given, string>> = {},
): Given {
  const executable = Object.entries(tools).filter(([, tool]) => executeOf(tool) !== undefined);
  checkToolNames(
    executable.map(([name]) => name),
    settings,
  );
  const wrapped = executable.map(([name, tool]) => [name, inStep(name, tool, settings)] as const);
  return { ...tools, ...Object.fromEntries(wrapped) };
}

function executeOf(tool: object): Execute | undefined {
  return "execute" in tool && typeof tool.execute === "function" ? (tool.execute as Execute) : undefined;
}

function inStep(name: string, tool: object, settings: ToolSettings): object {
  const execute = executeOf(tool);
  if (execute === undefined) return tool;
  const callOf = (input: unknown, { toolCallId, abortSignal }: CallOptions): ToolCall => ({
    tool: name,
    callId: toolCallId,
    input,
    signal: abortSignal,
  });
  const run = (input: unknown, options: CallOptions, abortSignal: AbortSignal) =>
    execute.call(tool, input, { ...options, abortSignal });

  /** The AI SDK tells by what `execute` returns at once whether there are parts, so a tool with parts has to stay one. */
  async function* inParts(input: unknown, options: CallOptions): AsyncGenerator<unknown> {
    const parts = (_step: unknown, signal: AbortSignal) => run(input, options, signal) as AsyncIterable<unknown>;
    try {
      yield* streamOnCall(callOf(input, options), settings, parts);
    } catch (thrown) {
      throw shownError(thrown, name);
    }
  }
  async function whole(input: unknown, options: CallOptions): Promise<unknown> {
    try {
      return await workOnCall(callOf(input, options), settings, (_step, signal) => lastOf(run(input, options, signal)));
    } catch (thrown) {
      throw shownError(thrown, name);
    }
  }
  const isInParts = isAsyncFunction(execute) && isGeneratorFunction(execute);
  return withMember(tool, "execute", isInParts ? inParts : whole);
}

/** What is returned in parts counts by its last one. */
async function lastOf(result: unknown): Promise<unknown> {
  if (typeof result !== "object" || result === null || !(Symbol.asyncIterator in result)) return result;
  let last: unknown;
  for await (const part of result as AsyncIterable<unknown>) last = part;
  return last;
}
