// With the official MCP client, for the documentation.

// #region mcp
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { inToolRun } from "stint-sdk/adapters";
import { stepMcpTools } from "stint-sdk/adapters/mcp";
import type { Grant, Stint } from "stint-sdk/runtime";

export function searcher(stint: Stint, { url, grant }: { url: URL; grant: Grant }) {
  const tools = stepMcpTools({
    connect: async (fetch) => {
      const client = new Client({ name: "researcher", version: "1.0.0" });
      await client.connect(new StreamableHTTPClientTransport(url, { fetch }));
      return client;
    },
    calls: { search: { grant } },
  });
  // A refusal is a result with `isError`, in words for the model.
  return (runId: string, callId: string, query: string) =>
    inToolRun({ opener: stint, runId }, () => tools.callTool({ name: "search", arguments: { query } }, { callId }));
}
// #endregion
