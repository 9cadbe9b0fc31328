import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { ToolSettings } from "../../../src/sdk/adapters/index.ts";
import { stepMcpTools } from "../../../src/sdk/adapters/mcp/index.ts";
import { stepMcpTools as stepMcpToolsV1 } from "../../../src/sdk/adapters/mcp-v1/index.ts";
import type { Fetch } from "../../../src/sdk/runtime/index.ts";

const INFO = { name: "researcher", version: "1.0.0" };

/** What both lines have in common. */
type Tools = {
  callTool(
    params: { readonly name: string; readonly arguments: Record<string, unknown> },
    options?: {
      readonly callId?: string;
      readonly signal?: AbortSignal;
      readonly onprogress?: (progress: unknown) => void;
    },
  ): Promise<{ readonly [member: string]: unknown }>;
  listTools(): Promise<{ readonly tools: readonly { readonly name: string }[] }>;
};

type Line = { readonly line: string; toolsAt(url: URL, settings: ToolSettings, refusals?: "throw"): Tools };

/** A client of the current line that is connected. */
export async function connected(url: URL, fetch: Fetch): Promise<Client> {
  const client = new Client(INFO);
  await client.connect(new StreamableHTTPClientTransport(url, { fetch }));
  return client;
}

/** The lines of the official client, each by the adapter for it. */
export const CLIENT_LINES: readonly Line[] = [
  {
    line: "2",
    toolsAt: (url, settings, refusals) =>
      stepMcpTools({ connect: (fetch) => connected(url, fetch), ...settings, refusals }),
  },
  {
    line: "1",
    toolsAt(url, settings, refusals) {
      async function connect(fetch: Fetch) {
        const client = new ClientV1(INFO);
        await client.connect(new TransportV1(url, { fetch }) as Parameters<typeof client.connect>[0]);
        return client;
      }
      return stepMcpToolsV1({ connect, ...settings, refusals });
    },
  },
];
