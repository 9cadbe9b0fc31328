// With the Vercel AI SDK, for the documentation.

// #region ai
import { generateText, isStepCount, type LanguageModel, tool } from "ai";
import { inToolRun } from "stint-sdk/adapters";
import { stepTools } from "stint-sdk/adapters/ai";
import type { Grant, Stint } from "stint-sdk/runtime";
import { z } from "zod";

export function answerer(stint: Stint, model: LanguageModel, { url, grant }: { url: string; grant: Grant }) {
  const search = tool({
    description: "Looks something up",
    inputSchema: z.object({ query: z.string() }),
    // In a tool, `stint.fetch` is that of the call's step; the signal aborts with the step as well.
    execute: async ({ query }, { abortSignal }) => {
      const response = await stint.fetch(url, {
        method: "POST",
        body: query,
        ...(abortSignal && { signal: abortSignal }),
      });
      return response.text();
    },
  });
  // What the step of a call may do, for each tool.
  const tools = stepTools({ search }, { calls: { search: { grant } } });
  return (runId: string, prompt: string) =>
    inToolRun({ opener: stint, runId }, () => generateText({ model, tools, prompt, stopWhen: isStepCount(5) }));
}
// #endregion
