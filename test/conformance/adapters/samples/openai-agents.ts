// With the OpenAI Agents SDK, for the documentation.

// #region openai-agents
import { Agent, type Model, run, tool } from "@openai/agents";
import { inToolRun } from "stint-sdk/adapters";
import { stepTool } from "stint-sdk/adapters/openai-agents";
import type { Grant, Stint } from "stint-sdk/runtime";
import { z } from "zod";

export function answerer(stint: Stint, model: Model, { url, grant }: { url: string; grant: Grant }) {
  // As `tool`, and what it makes works in steps.
  const inStep = stepTool(tool, { calls: { search: { grant } } });
  const search = inStep({
    name: "search",
    description: "Looks something up",
    parameters: z.object({ query: z.string() }),
    execute: async ({ query }, _context, details) => {
      const signal = details?.signal ?? null;
      const response = await stint.fetch(url, { method: "POST", body: query, signal });
      return response.text();
    },
  });
  const agent = new Agent({ name: "researcher", model, tools: [search] });
  return (runId: string, prompt: string) => inToolRun({ opener: stint, runId }, () => run(agent, prompt));
}
// #endregion
