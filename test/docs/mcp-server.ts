// An MCP server for the documentation; run by examples.test.ts.

// #region server
import { createServer } from "node:http";
import { createMcpHandler, McpServer, validateHostHeader } from "@modelcontextprotocol/server";
import { createMcpGuard, stepOf } from "stint-sdk/mcp";
import { createVerifier } from "stint-sdk/verifier";
import { z } from "zod";

const resource = process.env["RESOURCE"] ?? "http://localhost:3000/mcp";

// Follows the broker's feed of revocations; SPIFFE_ENDPOINT_SOCKET says where the broker is.
const verifier = createVerifier({
  audiences: [resource],
  development: process.env["NODE_ENV"] === "development",
});
await verifier.ready();

const guard = createMcpGuard({
  verifier,
  resource,
  issuer: "https://stint.example.org:8443",
  // What calling a tool takes. A tool that is not named here is refused.
  tools: { search: { actions: ["read"], datatypes: ["internal"] } },
});

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: "library", version: "1.0.0" });
  const inputSchema = z.object({ query: z.string() });
  server.registerTool("search", { inputSchema }, async ({ query }, context) => {
    const step = stepOf(context.http?.authInfo);
    // The signal aborts when the step ends: pass it on to whatever the tool does.
    context.mcpReq.signal.throwIfAborted();
    return { content: [{ type: "text", text: `${query}, for ${step?.runId}/${step?.step}` }] };
  });
  return server;
});

const listener = guard.listener(handler.fetch);
const { hostname, port } = new URL(resource);
const server = createServer((request, response) => {
  // A page in somebody's browser could have this machine under a name of its own (DNS rebinding).
  if (validateHostHeader(request.headers.host, [hostname]).ok) void listener(request, response);
  else response.writeHead(403).end();
});
// A URL without a port is that of a proxy in front, on this machine.
server.listen(port === "" ? 3000 : Number(port), "127.0.0.1");
// #endregion

server.on("listening", () => process.stdout.write("listening\n"));
process.on("SIGTERM", () => process.exit(0));
