import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type BridgeScene, bridgeScene } from "../../bridge/bridge-scene.ts";
import { thrownBy } from "../runtime/scripted-broker.ts";
import { CLIENT_LINES } from "./client-lines.ts";

let scene: BridgeScene;
beforeAll(async () => {
  scene = await bridgeScene({ agent: "researcher" });
});
afterAll(() => scene?.close());
beforeEach(() => void scene.seen.splice(0));

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

test.for(CLIENT_LINES)(
  "a call by a client of line $line whose stream was cut is taken up where it was, with a new token",
  async ({ line, toolsAt }) => {
    const serve = cutting();
    scene.answer((request, response) => void serve(request, response));
    const runId = `cut-${line}`;
    const settings = { calls: { search: { grant: scene.grant("search") } }, run: { opener: scene.stint, runId } };
    const answered = await toolsAt(new URL("/raw", scene.origin), settings).callTool(
      { name: "search", arguments: {} },
      { callId: "c" },
    );
    expect(answered).toMatchObject({ content: [{ text: "at last" }] });
    const comebacks = scene.seen.filter(({ headers }) => headers["last-event-id"] === "e-1");
    const tokens = comebacks.map(({ headers }) => headers.authorization);
    expect([comebacks.length, new Set(tokens).size]).toEqual([2, 2]);
    const ended = await thrownBy(scene.stint.resumeStep({ runId, step: "search.c", hold: false }));
    expect(ended).toMatchObject({ metadata: { state: "COMPLETED" } });
  },
);
