// An MCP server of the older SDK line, for the documentation; run by proof-snippets.test.ts.
// #region server
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { createMcpGuard, serveStateless, stepOf } from "stint-sdk/mcp-v1";
import type { Verifier } from "stint-sdk/verifier";

export function listenerFor(verifier: Verifier, resource: string) {
  const tools = { search: { actions: ["read"], datatypes: ["internal"] } } as const;
  const guard = createMcpGuard({
    verifier,
    resource,
    issuer: "https://stint.example.org:8443",
    tools,
    proof: "required",
  });
  const handler = serveStateless(() => {
    const server = new McpServer({ name: "library", version: "1.0.0" });
    server.registerTool("search", {}, (context) => {
      // The signal aborts when the step ends: pass it on to whatever the tool does.
      context.signal.throwIfAborted();
      return { content: [{ type: "text", text: `for ${stepOf(context.authInfo)?.step}` }] };
    });
    return server;
  });
  return guard.listener(handler);
}
// #endregion
