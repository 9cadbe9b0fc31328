import { findCredentials } from "../credential-scan/find-credentials.ts";
import { withoutCredentials } from "../credential-scan/without-credentials.ts";
import { type ToolRefusal, toolRefusalOf } from "./tool-refusal.ts";

/**
 * What a framework is to be thrown instead of what a tool threw: a refusal in words for the model; of the tool's own error the very same,
 * unless a credential is anywhere in it. Then it is an error of the same name whose message has none, and nothing else.
 */
export function shownError(thrown: unknown, tool: string): ToolRefusal | unknown {
  const refusal = toolRefusalOf(thrown, tool);
  if (refusal !== undefined) return refusal;
  if (findCredentials(thrown).length === 0) return thrown;
  const { name, message } = thrown instanceof Error ? thrown : { name: "Error", message: "the tool failed" };
  const shown = new Error(withoutCredentials(message));
  shown.name = withoutCredentials(name);
  return shown;
}
