// A plain MCP server with one trivial tool, in a process of its own: what stands behind a guard, and is asked directly to compare.
// Prints its port.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { createNodeListener } from "../../src/sdk/mcp-guard/node-listener.ts";

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: "bench", version: "1" });
  const answer = { content: [{ type: "text" as const, text: "found" }] };
  server.registerTool("search", { inputSchema: z.object({ query: z.string() }) }, () => answer);
  return server;
});
const listener = createNodeListener(
  "http://127.0.0.1/mcp",
  (request) => handler.fetch(request),
  (thrown) => process.stderr.write(`${String(thrown)}\n`),
);
const server = createServer((request, response) => void listener(request, response));
server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
process.once("SIGTERM", () => process.exit(0));
