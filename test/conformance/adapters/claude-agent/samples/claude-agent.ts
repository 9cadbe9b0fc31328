// With the Claude Agent SDK, for the documentation.

// #region claude-agent
import { createSdkMcpServer, type Options, query, tool } from "@anthropic-ai/claude-agent-sdk";
import { inToolRun } from "stint-sdk/adapters";
import { stepTool } from "stint-sdk/adapters/claude-agent";
import { currentStep, type Grant, type Stint } from "stint-sdk/runtime";
import { z } from "zod";

export function answerer(stint: Stint, { url, grant }: { url: string; grant: Grant }) {
  // As `tool`, and what it makes works in steps.
  const inStep = stepTool(tool, { calls: { search: { grant } } });
  const search = inStep("search", "Looks something up", { query: z.string() }, async ({ query }) => {
    const signal = currentStep()?.signal ?? null;
    const response = await stint.fetch(url, { method: "POST", body: query, signal });
    return { content: [{ type: "text", text: await response.text() }], isError: !response.ok };
  });
  return (sessionId: string, prompt: string, options: Options) => {
    // A server for each query: it can't serve two at once.
    const library = createSdkMcpServer({ name: "library", tools: [search] });
    const mine = { sessionId, mcpServers: { library }, allowedTools: ["mcp__library__search"] };
    return inToolRun({ opener: stint, runId: sessionId }, () => query({ prompt, options: { ...options, ...mine } }));
  };
}
// #endregion
