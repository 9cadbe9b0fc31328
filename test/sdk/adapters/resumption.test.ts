import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { stepMcpTools } from "../../../src/sdk/adapters/mcp/index.ts";
import { stepMcpTools as stepMcpToolsV1 } from "../../../src/sdk/adapters/mcp-v1/index.ts";
import type { Fetch } from "../../../src/sdk/runtime/index.ts";
import { type BridgeScene, bridgeScene } from "../../bridge/bridge-scene.ts";
import { thrownBy } from "../runtime/scripted-broker.ts";

let scene: BridgeScene;
beforeAll(async () => {
  scene = await bridgeScene({ agent: "researcher" });
});
afterAll(() => scene?.close());
beforeEach(() => void scene.seen.splice(0));

const INFO = { name: "researcher", version: "1.0.0" };
const EVENTS = { "content-type": "text/event-stream" };

/** A server with a session that ends the stream of a call before its answer, and takes the token no longer that comes for the rest. */
function cutting() {
  let comebacks = 0;
  return async (request: IncomingMessage, response: ServerResponse) => {
    const { id, method, params } = request.method === "POST" ? JSON.parse(await text(request)) : ({} as never);
    const tell = (result: object) => JSON.stringify({ jsonrpc: "2.0", id: id ?? 1, result });
    if (method === "initialize") {
      const { protocolVersion } = params;
      response.writeHead(200, { "content-type": "application/json", "mcp-session-id": "s-1" });
      return response.end(
        tell({ protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "c", version: "1" } }),
      );
    }
    if (method === "tools/call") return response.writeHead(200, EVENTS).end("id: e-1\nretry: 10\ndata:\n\n");
    if (request.headers["last-event-id"] !== "e-1") return response.writeHead(method === undefined ? 405 : 202).end();
    comebacks += 1;
    if (comebacks === 1) return response.writeHead(401).end();
    return response
      .writeHead(200, EVENTS)
      .end(`id: e-2\ndata: ${tell({ content: [{ type: "text", text: "at last" }] })}\n\n`);
  };
}

type Call = (options: { readonly callId: string }) => Promise<unknown>;
const params = { name: "search", arguments: {} };

test.for<{ line: string; callAt: (url: URL, settings: object) => Call }>([
  {
    line: "2",
    callAt(url, settings) {
      async function connect(fetch: Fetch) {
        const client = new Client(INFO);
        await client.connect(new StreamableHTTPClientTransport(url, { fetch }));
        return client;
      }
      return (options) => stepMcpTools({ connect, ...settings }).callTool(params, options);
    },
  },
  {
    line: "1",
    callAt(url, settings) {
      async function connect(fetch: Fetch) {
        const client = new ClientV1(INFO);
        await client.connect(new TransportV1(url, { fetch }) as Parameters<typeof client.connect>[0]);
        return client;
      }
      return (options) => stepMcpToolsV1({ connect, ...settings }).callTool(params, options);
    },
  },
])(
  "a call by a client of line $line whose stream was cut is taken up where it was, with a new token",
  async ({ line, callAt }) => {
    const serve = cutting();
    scene.answer((request, response) => void serve(request, response));
    const runId = `cut-${line}`;
    const settings = { calls: { search: { grant: scene.grant("search") } }, run: { opener: scene.stint, runId } };
    const answered = await callAt(new URL("/raw", scene.origin), settings)({ callId: "c" });
    expect(answered).toMatchObject({ content: [{ text: "at last" }] });
    const comebacks = scene.seen.filter(({ headers }) => headers["last-event-id"] === "e-1");
    const tokens = comebacks.map(({ headers }) => headers.authorization);
    expect([comebacks.length, new Set(tokens).size]).toEqual([2, 2]);
    const ended = await thrownBy(scene.stint.resumeStep({ runId, step: "search.c", hold: false }));
    expect(ended).toMatchObject({ metadata: { state: "COMPLETED" } });
  },
);
