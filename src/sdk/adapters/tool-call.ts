import { segment } from "../runtime/segment.ts";

/** One call of a tool, in the words of the framework that makes it. */
export type ToolCall = {
  /** The tool's name, as the model and the settings have it. */
  readonly tool: string;
  /** The framework's own id of the call, any string; a retry of the call has the same. */
  readonly callId: string;
  /** The framework's own number of the attempt, from 1. Absent: the broker counts, and an attempt that is still open is superseded. */
  readonly attempt?: number | undefined;
  /** What the model gave the tool; for settings that depend on it. It goes into no step. */
  readonly input?: unknown;
  /** The framework's: when it aborts the call is cancelled, whatever the tool then returns. */
  readonly signal?: AbortSignal | undefined;
};

const PLAIN_TOOL = /^[A-Za-z0-9_-]+$/;

/** The name of the call's step. Two calls of one run have the same only when tool and id are the same. */
export function stepNameOf({ tool, callId }: ToolCall): string {
  return segment(PLAIN_TOOL.test(tool) ? `${tool}.${callId}` : JSON.stringify([tool, callId]));
}
