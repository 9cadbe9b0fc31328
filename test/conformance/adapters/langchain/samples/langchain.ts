// With LangChain and LangGraph, for the documentation.

// #region langchain
import type { BaseLanguageModel } from "@langchain/core/language_models/base";
import { tool } from "@langchain/core/tools";
import { type BaseCheckpointSaver, interrupt } from "@langchain/langgraph";
import { createAgent } from "langchain";
import { stepTools } from "stint-sdk/adapters/langchain";
import type { Grant, Stint } from "stint-sdk/runtime";
import { z } from "zod";

export function publisher(
  stint: Stint,
  model: BaseLanguageModel,
  checkpointer: BaseCheckpointSaver,
  { url, grant }: { url: string; grant: Grant },
) {
  const publish = tool(
    async ({ text }, { signal }) => {
      // Leaves the tool by a throw, and its step is cancelled. When it is answered the tool runs again, in the next attempt.
      if (interrupt(`Publish ${text}?`) !== "yes") return "not published";
      const response = await stint.fetch(url, { method: "POST", body: text, ...(signal && { signal }) });
      return response.text();
    },
    { name: "publish", description: "Publishes a text", schema: z.object({ text: z.string() }) },
  );
  // The run is the graph's thread: its `thread_id`.
  const tools = stepTools([publish], { opener: stint, calls: { publish: { grant } } });
  return createAgent({ model, tools: [...tools], checkpointer });
}
// #endregion
