#!/usr/bin/env bash
# A call of a tool that is given up through the official MCP client runs on at the official MCP server, each with its defaults. The client
# (`callTool(…, { signal })`) rejects at once and POSTs `notifications/cancelled`; `createMcpHandler` answers 202 and stops nothing, since it
# serves each message of MCP 2025-11-25 by a server of its own: the one that is told to cancel has no call. Neither side logs a word.
# With the client pinned to MCP 2026-07-28 the same code closes the call's connection instead, and the tool's signal aborts. So whoever
# relies on `context.mcpReq.signal` has to stop the call before the SDK sees the notification, or to see to the protocol's version.
#
# Seen: @modelcontextprotocol/client 2.4.0 and @modelcontextprotocol/server 2.4.0 (npm, Node.js 24). MCP 2025-11-25, "Cancellation".
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts @modelcontextprotocol/client@2.4.0 @modelcontextprotocol/server@2.4.0
cat > seen.mjs <<'JS'
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";

for (const [what, options] of [
  ["by default", {}],
  ["pinned to 2026-07-28", { versionNegotiation: { mode: { pin: "2026-07-28" } } }],
]) {
  const begun = Promise.withResolvers();
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: "server", version: "1" });
    server.registerTool("wait", {}, async ({ mcpReq }) => {
      begun.resolve(mcpReq.signal);
      await new Promise((resolve) => mcpReq.signal.addEventListener("abort", resolve));
      return { content: [] };
    });
    return server;
  });
  // In one process, so that nothing of a network is between the two.
  const seen = [];
  const fetch = async (url, init) => {
    const response = await handler.fetch(new Request(url, init));
    const { method } = JSON.parse(init?.body ?? "{}");
    if (method === "notifications/cancelled") seen.push(`${method} is answered ${response.status}`);
    return response;
  };
  const client = new Client({ name: "client", version: "1" }, options);
  await client.connect(new StreamableHTTPClientTransport(new URL("http://localhost/mcp"), { fetch }));
  const giveUp = new AbortController();
  const call = client.callTool({ name: "wait" }, { signal: giveUp.signal }).then(
    () => "answered",
    () => "rejected",
  );
  const signal = await begun.promise;
  giveUp.abort();
  seen.push(`the call is ${await call}`);
  // Far longer than either needs to hear of it in the same process.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  console.log(`${what}: ${seen.sort().join(", ")}, the tool's signal is ${signal.aborted ? "aborted" : "not aborted"}`);
}
process.exit(0);
JS

node seen.mjs | tee seen.txt
diff seen.txt - <<'SEEN'
by default: notifications/cancelled is answered 202, the call is rejected, the tool's signal is not aborted
pinned to 2026-07-28: the call is rejected, the tool's signal is aborted
SEEN
