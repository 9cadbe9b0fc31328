import { once } from "node:events";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
import type { ServerNotification, ServerRequest } from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { createMcpGuard, serveStateless, stepOf } from "../../../src/sdk/mcp-v1/index.ts";
import type { SdkLine } from "../mcp/scene.ts";

/** What handlers of the older line are given. */
export type LegacyContext = RequestHandlerExtra<ServerRequest, ServerNotification>;

export const LINE_1: SdkLine<LegacyContext> = {
  createGuard: createMcpGuard,
  serve: (begin) => ({ fetch: serveStateless(() => toolsOf(begin)), close: async () => undefined }),
};

/** The same tools as those of the other line. */
export function toolsOf(begin: (tool: string, context: LegacyContext) => void): McpServer {
  const server = new McpServer({ name: "guarded", version: "1" });
  const inputSchema = { query: z.string().optional() };
  const answer = (text: string) => ({ content: [{ type: "text" as const, text }] });
  for (const tool of ["search", "erase", "hidden"]) {
    server.registerTool(tool, { inputSchema }, (_arguments, context) => {
      begin(tool, context);
      return answer(`${tool} for ${stepOf(context.authInfo)?.stepId}`);
    });
  }
  for (const tool of ["wait", "stream"]) {
    server.registerTool(tool, { inputSchema }, async (_arguments, context) => {
      if (tool === "stream") {
        const { progressToken = 0 } = context._meta ?? {};
        const params = { progressToken, progress: 1, total: 2 };
        await context.sendNotification({ method: "notifications/progress", params });
      }
      begin(tool, context);
      if (!context.signal.aborted) await once(context.signal, "abort");
      return answer("stopped");
    });
  }
  return server;
}
