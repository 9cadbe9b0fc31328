// An adapter of one's own, and a test with the scanner, for the documentation.
import { inToolRun, shownError, type ToolSettings, workOnCall } from "stint-sdk/adapters";
import type { Grant, Stint } from "stint-sdk/runtime";
import { findCredentials } from "stint-sdk/testing";

// #region own
export async function callTool(settings: ToolSettings, call: { name: string; id: string; signal: AbortSignal }) {
  try {
    return await workOnCall(
      { tool: call.name, callId: call.id, signal: call.signal },
      settings,
      async (step, signal) => {
        const response = await step.fetch("https://mcp.example.org/mcp", { signal });
        return response.text();
      },
    );
  } catch (thrown) {
    // Of a refusal a message that a model understands; of the tool's own errors what they are, without credentials.
    throw shownError(thrown, call.name);
  }
}
// #endregion

export async function scanned(stint: Stint, grant: Grant, agent: { run(): Promise<unknown>; memory: unknown }) {
  // #region scan
  const result = await inToolRun({ opener: stint, runId: "run-1" }, () => agent.run());
  // Everything that the framework keeps: results, messages, memory, checkpoints, traces.
  const found = findCredentials({ result, memory: agent.memory });
  if (found.length > 0) throw new Error(`a credential at ${found.map(({ path }) => path).join(", ")}`);
  // #endregion
  return grant;
}
