import { randomUUID } from "node:crypto";
import { StintError } from "../../runtime/index.ts";
import type { ToolCall } from "../index.ts";

type Suspend = (payload: never, options?: never) => Promise<void>;

/** What Mastra hands to a tool beside its input, as far as it is needed here. */
export type MastraContext = {
  readonly abortSignal?: AbortSignal | undefined;
  /** Of an agent's `generate` or `stream`; it is the same again when that is resumed. */
  readonly runId?: string | undefined;
  readonly agent?: { readonly toolCallId?: string | undefined; readonly suspend?: Suspend } | undefined;
  readonly workflow?: { readonly runId?: string | undefined; readonly suspend?: Suspend } | undefined;
  readonly suspend?: Suspend;
};

/** A call as Mastra tells it. An agent's has the same id when it is resumed. */
export function mastraCallOf(tool: string, input: unknown, { agent, abortSignal: signal }: MastraContext): ToolCall {
  const id = agent?.toolCallId;
  // A step of a workflow has no id of its own, and a call by hand none at all: each is one that is not known again.
  return { tool, callId: id === undefined || id === "" ? randomUUID() : id, input, signal };
}

/**
 * The run's id: the agent's, or that of the workflow of which the tool is a step.
 *
 * @throws StintError INVALID_FIELD where there is none
 */
export function mastraRunIdOf({ runId, workflow }: MastraContext): string {
  const found = workflow?.runId ?? runId;
  if (found !== undefined && found !== "") return found;
  const message = "runId: the tool is called outside of every run of Mastra's; give runIdOf, or call it in inToolRun";
  throw new StintError("INVALID_FIELD", message, { metadata: { field: "runId" } });
}

/**
 * The same context, with another signal.
 *
 * @param suspended - called when the tool suspends, by whichever of its ways.
 */
export function contextInStep<Context extends MastraContext>(
  context: Context,
  abortSignal: AbortSignal,
  suspended: () => void,
): Context {
  function told<Has extends { readonly suspend?: Suspend }>(has: Has): Has {
    const { suspend } = has;
    if (suspend === undefined) return has;
    const telling: Suspend = (payload, options) => {
      suspended();
      return suspend.call(has, payload, options);
    };
    return { ...has, suspend: telling };
  }
  const { agent, workflow } = context;
  return {
    ...told(context),
    ...(agent !== undefined && { agent: told(agent) }),
    ...(workflow !== undefined && { workflow: told(workflow) }),
    abortSignal,
  };
}
