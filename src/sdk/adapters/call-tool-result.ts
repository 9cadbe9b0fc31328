import type { OutcomeOf } from "../runtime/index.ts";
import type { ToolRefusal } from "./tool-refusal.ts";

/** What a refused call gives: a `CallToolResult` of MCP. */
export type RefusedResult = { isError: true; content: [{ type: "text"; text: string }] };

export function refusedResult({ message }: ToolRefusal): RefusedResult {
  return { isError: true, content: [{ type: "text", text: message }] };
}

/** A tool of MCP says by its result that it has failed; what it says of a call that was aborted counts for nothing. */
export function failedByResult(signal: AbortSignal | undefined): OutcomeOf {
  return (end) => {
    if (end.kind !== "returned" || signal?.aborted === true) return undefined;
    const { isError } = (end.result ?? {}) as { readonly isError?: unknown };
    return isError === true ? "FAILED" : undefined;
  };
}
