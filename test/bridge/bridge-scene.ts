import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { createMcpHandler, McpServer, WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/server";
import { onTestFinished } from "vitest";
import { z } from "zod";
import { type Bridge, startBridge } from "../../src/bridge/start-bridge.ts";
import { createMcpGuard } from "../../src/sdk/mcp/index.ts";
import { PULSE_MS } from "../../src/sdk/mcp-guard/alive-answer.ts";
import { createStint, type Grant, type Step, type Stint } from "../../src/sdk/runtime/index.ts";
import { createVerifier } from "../../src/sdk/verifier/index.ts";
import { type Daemon, startDaemon } from "../daemon.ts";

type Seen = { readonly method: string; readonly url: string; readonly headers: IncomingMessage["headers"] };
type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export type BridgeScene = {
  readonly daemon: Daemon;
  readonly endpoint: string;
  readonly stint: Stint;
  /** Where the servers are: `/mcp` and `/sessions` are guarded, `/raw` answers as a test says. */
  readonly origin: string;
  /** What servers were sent. */
  readonly seen: Seen[];
  /** Of `/raw`, until the test ends. */
  answer(as: Answer): void;
  /** For `answer`: the same tools, of a server that knows nothing of Stint. */
  readonly unguarded: Answer;
  /** Resolves when a call of the tool `wait` has begun from now on, with the signal that tells the tool to stop. */
  waiting(): Promise<AbortSignal>;
  /** Elements of a grant: these tools, at all servers. */
  grant(...tools: readonly string[]): Grant;
  step(...tools: readonly string[]): Promise<Step>;
  /** A bridge in this process, to `mcp`, `sessions` and `raw`. */
  bridge(step: Step): Promise<Bridge>;
  close(): Promise<void>;
};

/** A real broker, and servers with the guard of the SDK. */
export async function bridgeScene({ agent = "clerk" } = {}): Promise<BridgeScene> {
  const seen: Seen[] = [];
  const routes = new Map<string, Answer>();
  const http = createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    seen.push({ method, url, headers });
    const route = routes.get(url);
    if (route === undefined) response.writeHead(404).end();
    else route(request, response);
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const locations = ["mcp", "sessions", "raw"].map((name) => `${origin}/${name}`);
  const grant = (...tools: readonly string[]): Grant =>
    tools.map((identifier) => ({
      type: "mcp_tool",
      locations,
      identifier,
      actions: ["read"],
      datatypes: ["internal"],
    }));
  const selectors = [`unix:uid:${process.getuid?.()}`];
  const daemon = await startDaemon({
    entries: [
      { kind: "agent", name: agent, selectors, ceiling: grant("*") },
      { kind: "runtime", name: "flow", selectors, agents: [agent], allow_descendants: true },
      { kind: "verifier", name: "library", selectors, audiences: locations },
    ],
  });
  const endpoint = `unix://${daemon.workloadSocket}`;
  const stint = createStint({ endpoint, agent });
  const verifier = createVerifier({ endpoint, audiences: locations, development: true });
  await verifier.ready();

  const read = { actions: ["read"], datatypes: ["internal"] } as const;
  const tools = { search: read, wait: read, erase: { actions: ["write"], datatypes: ["internal"] } } as const;
  let begun = Promise.withResolvers<AbortSignal>();
  function toolServer(): McpServer {
    const server = new McpServer({ name: "library", version: "1" });
    const inputSchema = z.object({ query: z.string().optional() });
    const text = (value: string) => ({ content: [{ type: "text" as const, text: value }] });
    server.registerTool("search", { inputSchema }, ({ query = "nothing" }) => text(`found ${query}`));
    server.registerTool("erase", { inputSchema }, () => text("erased"));
    server.registerTool("wait", { inputSchema }, async (_, { mcpReq: { signal } }) => {
      begun.resolve(signal);
      if (!signal.aborted) await once(signal, "abort");
      return text("stopped");
    });
    return server;
  }
  const guardOf = (resource: string) =>
    createMcpGuard({ verifier, resource, issuer: "https://broker.example.org", tools });
  routes.set("/mcp", guardOf(`${origin}/mcp`).listener(createMcpHandler(toolServer).fetch));
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();
  routes.set(
    "/sessions",
    guardOf(`${origin}/sessions`).listener(async (request, options) => {
      const known = sessions.get(request.headers.get("mcp-session-id") ?? "");
      const transport =
        known ??
        new WebStandardStreamableHTTPServerTransport({
          sessionIdGenerator: randomUUID,
          onsessioninitialized: (id) => void sessions.set(id, transport),
        });
      if (known === undefined) await toolServer().connect(transport);
      return transport.handleRequest(request, options);
    }),
  );
  const unguarded = getRequestListener((request) => createMcpHandler(toolServer).fetch(request));
  let steps = 0;

  return {
    daemon,
    endpoint,
    stint,
    origin,
    seen,
    answer(as) {
      routes.set("/raw", as);
      onTestFinished(() => void routes.delete("/raw"));
    },
    unguarded: (request, response) => void unguarded(request, response),
    waiting() {
      begun = Promise.withResolvers();
      return begun.promise;
    },
    grant,
    async step(...names) {
      steps += 1;
      const step = await stint.openStep({ runId: `run-${steps}`, step: "work", grant: grant(...names) });
      onTestFinished(async () => void (await step.close()));
      return step;
    },
    async bridge(step) {
      const servers = ["mcp", "sessions", "raw"].map((name) => ({ name, url: `${origin}/${name}` }));
      const bridge = await startBridge(servers, { step, told: () => undefined, pulseMs: PULSE_MS });
      onTestFinished(() => bridge.close());
      return bridge;
    },
    async close() {
      stint.close();
      verifier.close();
      http.closeAllConnections();
      http.close();
      await daemon[Symbol.asyncDispose]();
    },
  };
}
