// An MCP server of the official SDK behind Stint's guard, in a process of its own. It knows no secret: whoever comes
// brings the JWT-SVID of a step.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { createMcpGuard } from "stint-sdk/mcp";
import { createVerifier } from "stint-sdk/verifier";
import { z } from "zod";
import { serveCommands, tell } from "./actor.ts";
import { monotonicMs } from "./json-lines.ts";

/** Far longer than the demo lets it run. */
const INDEXING_MS = 60_000;

const http = createServer();
http.listen(0, "127.0.0.1");
await once(http, "listening");
const resource = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;

function library(): McpServer {
  const server = new McpServer({ name: "library", version: "1.0.0" });
  server.registerTool("search", { inputSchema: z.object({ query: z.string() }) }, async ({ query }) => {
    tell("called", { tool: "search" });
    return { content: [{ type: "text", text: `3 papers on ${query}` }] };
  });
  server.registerTool("erase", { inputSchema: z.object({ query: z.string() }) }, async () => {
    tell("called", { tool: "erase" });
    return { content: [{ type: "text", text: "erased" }] };
  });
  server.registerTool("index", { inputSchema: z.object({ query: z.string() }) }, async (_input, { mcpReq }) => {
    tell("called", { tool: "index" });
    await sleep(INDEXING_MS, undefined, { signal: mcpReq.signal }).catch(() => undefined);
    tell("stopped", { tool: "index", atMs: monotonicMs(), aborted: mcpReq.signal.aborted ? 1 : 0 });
    return { content: [{ type: "text", text: "indexed" }] };
  });
  return server;
}

const commands = {
  /** Where it is, which is the audience of tokens for it. */
  where: async () => resource,

  /** Serves from here on, for steps of this broker. */
  async serve({ endpoint, issuer, development }: { endpoint: string; issuer: string; development: boolean }) {
    const verifier = createVerifier({ endpoint, audiences: [resource], development });
    await verifier.ready();
    const guard = createMcpGuard({
      verifier,
      resource,
      issuer,
      tools: {
        search: { actions: ["read"], datatypes: ["public"] },
        index: { actions: ["execute"], datatypes: ["public"] },
        erase: { actions: ["write"], datatypes: ["public"] },
      },
    });
    http.on("request", guard.listener(createMcpHandler(library).fetch));
  },
};

export type McpServerCommands = typeof commands;
serveCommands(commands);
