import { McpServer } from "@modelcontextprotocol/server";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { decodeJwt } from "jose";
import { z } from "zod";
import { credentialsFromFd } from "../../../src/sdk/runtime/index.ts";

/* An MCP server over standard streams that works with what it is sent, and has no other way to the broker. */

const credentials = credentialsFromFd();
const server = new McpServer({ name: "stdio", version: "1" });
server.registerTool("subject", { inputSchema: z.object({ audience: z.string() }) }, async ({ audience }) => {
  const credential = await credentials.credential(audience);
  return { content: [{ type: "text", text: decodeJwt(credential.token()).sub ?? "" }] };
});
await server.connect(new StdioServerTransport());
