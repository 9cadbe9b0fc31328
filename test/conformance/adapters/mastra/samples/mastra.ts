// With Mastra, for the documentation.

// #region mastra
import { Agent } from "@mastra/core/agent";
import type { MastraModelConfig } from "@mastra/core/llm";
import { createTool } from "@mastra/core/tools";
import { stepTool, unlessAborted } from "stint-sdk/adapters/mastra";
import type { Grant, Stint } from "stint-sdk/runtime";
import { z } from "zod";

export function answerer(stint: Stint, model: MastraModelConfig, { url, grant }: { url: string; grant: Grant }) {
  // As `createTool`, and what it makes works in steps. The run is the agent's, by its `runId`.
  const inStep = stepTool(createTool, { opener: stint, calls: { search: { grant } } });
  const search = inStep({
    id: "search",
    description: "Looks something up",
    inputSchema: z.object({ query: z.string() }),
    outputSchema: z.string(),
    execute: async ({ query }, { abortSignal }) => {
      const response = await stint.fetch(url, { method: "POST", body: query, signal: abortSignal ?? null });
      return response.text();
    },
  });
  const agent = new Agent({
    id: "researcher",
    name: "researcher",
    instructions: "Look it up",
    model,
    tools: { search },
  });
  // Mastra resolves when it is aborted. So that nobody takes that for an answer:
  return (runId: string, prompt: string, signal: AbortSignal) =>
    unlessAborted(agent.generate(prompt, { runId, abortSignal: signal }), signal);
}
// #endregion
