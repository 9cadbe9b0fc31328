// An adapter of one's own, and a test with the scanner, for the documentation.
import { inToolRun, shownError, type ToolSettings, workOnCall } from "stint-sdk/adapters";
import type { Stint } from "stint-sdk/runtime";
import { findCredentials } from "stint-sdk/testing";

type Call = { readonly name: string; readonly id: string; readonly signal: AbortSignal; readonly url: string };

// #region own
export async function callTool(settings: ToolSettings, { name, id, signal: aborted, url }: Call): Promise<string> {
  try {
    return await workOnCall({ tool: name, callId: id, signal: aborted }, settings, async (step, signal) => {
      const response = await step.fetch(url, { signal });
      return response.text();
    });
  } catch (thrown) {
    // A refusal in words for a model; of the tool's own errors what they are, without credentials.
    throw shownError(thrown, name);
  }
}
// #endregion

type Agent = { run(prompt: string): Promise<object>; readonly memory: object };

export async function scanned(stint: Stint, agent: Agent): Promise<readonly string[]> {
  // #region scan
  const result = await inToolRun({ opener: stint, runId: "run-1" }, () => agent.run("Look it up"));
  // All that the framework keeps and sends: results, messages, memory, checkpoints, traces.
  const found = findCredentials({ result, memory: agent.memory });
  return found.map(({ kind, path, encodings }) => [kind, "at", path, ...encodings].join(" "));
  // #endregion
}
