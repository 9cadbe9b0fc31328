import { randomUUID } from "node:crypto";
import { StintError } from "../../runtime/index.ts";
import type { ToolCall } from "../index.ts";

/** What LangChain hands to a tool beside its input; of it, what tells one call and one run from another. */
export type GraphConfig = {
  readonly toolCall?: { readonly id?: string | undefined } | undefined;
  /** Aborts with `invoke`; a graph that pauses leaves it alone. */
  readonly signal?: AbortSignal | undefined;
  readonly configurable?: Readonly<Record<string, unknown>> | undefined;
};

/**
 * A call as the graph tells it. It has the same id when its body runs again after an interrupt.
 *
 * @param input - what the model gave the tool, as its schema parsed it.
 */
export function graphCallOf(tool: string, input: unknown, { toolCall, signal, configurable }: GraphConfig): ToolCall {
  const id = toolCall?.id;
  // A call by hand, or of a model that numbers none, can't be known again: each is one of its own.
  const callId = id === undefined || id === "" ? randomUUID() : `${subgraphOf(configurable)}${id}`;
  return { tool, callId, input, signal };
}

/** Models may count their calls from the same number in every subgraph. That of the tools' own node changes with each fork, and says nothing. */
function subgraphOf(configurable: GraphConfig["configurable"]): string {
  const namespace = configurable?.["checkpoint_ns"];
  if (typeof namespace !== "string") return "";
  const end = namespace.lastIndexOf("|");
  return end < 0 ? "" : namespace.slice(0, end + 1);
}

/**
 * The id of the run that a graph with a checkpointer is: its thread's.
 *
 * @throws StintError INVALID_FIELD where there is none
 */
export function threadIdOf({ configurable }: GraphConfig): string {
  const threadId = configurable?.["thread_id"];
  if (typeof threadId === "string" && threadId !== "") return threadId;
  if (typeof threadId === "number") return String(threadId);
  const message =
    "configurable.thread_id: the graph runs without one, so its run has no id; give runIdOf, or run it in inToolRun";
  throw new StintError("INVALID_FIELD", message, { metadata: { field: "configurable.thread_id" } });
}
