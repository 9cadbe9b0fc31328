import { createServer, type Server } from "node:http";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { createMcpGuard, stepOf } from "../../../src/sdk/mcp/index.ts";
import { createVerifier } from "../../../src/sdk/verifier/index.ts";

/** An MCP server whose tools are called by steps only, and only as they were granted. */
export async function serve(resource: string, issuer: string, endpoint?: string): Promise<Server> {
  const verifier = createVerifier({ audiences: [resource], development: true, ...(endpoint && { endpoint }) });
  await verifier.ready();
  const guard = createMcpGuard({
    verifier,
    resource,
    issuer,
    tools: { search: { actions: ["read"], datatypes: ["internal"] } },
  });
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: "library", version: "1.0.0" });
    const inputSchema = z.object({ query: z.string() });
    server.registerTool("search", { inputSchema }, async ({ query }, context) => {
      const step = stepOf(context.http?.authInfo);
      // Pass it on to whatever the tool does: it aborts when the step ends.
      context.mcpReq.signal.throwIfAborted();
      return { content: [{ type: "text", text: `${query}, for ${step?.runId}/${step?.step}` }] };
    });
    return server;
  });
  // Express: app.use("/", guard.listener(handler.fetch)). Hono, Deno, Bun: guard.fetch(request, handler.fetch).
  return createServer(guard.listener(handler.fetch)).once("close", () => verifier.close());
}
