import { StintError } from "../runtime/index.ts";
import type { ToolSettings } from "./work-on-call.ts";

/**
 * Holds settings to the tools that there are, when they are given and not when the first tool is called.
 *
 * @throws StintError INVALID_FIELD (field `calls`) where settings name a tool that is not there, or leave one out
 */
export function checkToolNames(names: readonly string[], { calls }: ToolSettings): void {
  if (calls === undefined) return;
  const unknown = Object.keys(calls).filter((name) => !names.includes(name));
  const missing = names.filter((name) => !Object.hasOwn(calls, name));
  if (unknown.length + missing.length === 0) return;
  const said = [
    ...unknown.map((name) => `there is no tool ${name}`),
    ...missing.map((name) => `nothing is said of the tool ${name}`),
  ];
  throw new StintError("INVALID_FIELD", `calls: ${said.join("; ")}`, { metadata: { field: "calls" } });
}

/**
 * Holds settings to one tool, where tools are made one by one and nobody knows which will come.
 *
 * @throws StintError INVALID_FIELD (field `calls`) where settings name tools, and not this one
 */
export function checkToolNamed(name: string, { calls }: ToolSettings): void {
  if (calls === undefined || Object.hasOwn(calls, name)) return;
  throw new StintError("INVALID_FIELD", `calls: nothing is said of the tool ${name}`, { metadata: { field: "calls" } });
}
