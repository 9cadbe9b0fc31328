import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { Client, type ClientOptions, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createMcpHandler, McpServer, type ServerContext } from "@modelcontextprotocol/server";
import { onTestFinished } from "vitest";
import { z } from "zod";
import {
  createMcpGuard,
  type McpFetch,
  type McpGuard,
  type McpGuardOptions,
  type NodeListener,
  OTHER_METHODS,
  stepOf,
} from "../../../src/sdk/mcp/index.ts";
import {
  createVerifier,
  type ProofOptions,
  type Verifier,
  type VerifierClock,
} from "../../../src/sdk/verifier/index.ts";
import { bundleDocumentOf, ecSigner, type Json, mint, txnTokenKeysOf } from "../../verify/token-forge.ts";
import { bundle, denied, deniedStep, pong, snapshot } from "../verifier/feed-responses.ts";
import { scriptedBroker, type Watch } from "../verifier/scripted-broker.ts";

export const ISSUER = "https://stint.example.org";
export const STEP_ID = "step_0190a5f2";
const SPIFFE_ID = "spiffe://example.org/agent/researcher/run/r1/step/search/1";
const signer = ecSigner("own");
const foreign = ecSigner("own");
/** Of the WIT-SVIDs that the verifier believes. */
export const witSigner = ecSigner("own-wit");
/** Of the transaction tokens that it does. */
export const txnSigner = ecSigner("own-txn");

const KEYS = bundleDocumentOf({ "jwt-svid": [signer], "wit-svid": [witSigner] });

/** For servers that keep streams open beside their calls. */
export const OTHER_METHODS_AND_LISTEN = [...OTHER_METHODS, "subscriptions/listen"];

/** A line of the MCP SDK: its guard, and a server of its own with the tools of the scene. */
export type SdkLine<Context> = {
  createGuard(options: McpGuardOptions): Omit<McpGuard, "verifyAccessToken">;
  serve(begin: (tool: string, context: Context) => void): { readonly fetch: McpFetch; close(): Promise<void> };
};

export const LINE_2: SdkLine<ServerContext> = {
  createGuard: createMcpGuard,
  serve: (begin) => createMcpHandler(() => toolsOf(begin)),
};

export type SceneOptions = Partial<McpGuardOptions> & {
  readonly clock?: VerifierClock;
  readonly proofs?: ProofOptions;
  /** Serves with TLS, and asks clients for their certificate, whoever signed it. */
  readonly tls?: { readonly cert: string; readonly key: string };
};

export type Scene<Context = ServerContext> = {
  /** The server's canonical URI, on a loopback port of its own. */
  readonly resource: string;
  readonly guard: Omit<McpGuard, "verifyAccessToken">;
  /** The guarded server, for whatever listens besides. */
  readonly listener: NodeListener;
  readonly verifier: Verifier;
  readonly watch: Watch;
  /** A token of a step that may `search` and `wait` and `stream` here, with claims changed. */
  token(claims?: Json): string;
  foreignToken(): string;
  /** Tells the verifier that the step has ended, and waits until it knows. */
  endStep(): Promise<void>;
  /** Leaves pings unanswered from now on. */
  silence(): void;
  /** Calls of tools that began, by what their handlers were given. */
  readonly calls: { readonly tool: string; readonly context: Context }[];
  /** Resolves when the next call of a tool has begun. */
  called(): Promise<Context>;
  /** POSTs a message, as no client would have to. */
  post(message: unknown, headers?: Record<string, string>): Promise<Response>;
  /** A client of the official SDK, connected. */
  client(fetch: typeof globalThis.fetch | undefined, era?: ClientOptions["versionNegotiation"]): Promise<Client>;
};

export function searchGrant(resource: string, identifier = "search"): Json {
  const element = { type: "mcp_tool", locations: [resource], actions: ["read"], datatypes: ["internal"] };
  return { authorization_details: [{ ...element, identifier }], scope: `mcp:tool:${identifier}` };
}

/** An MCP server of the official SDK behind a guard, and a verifier on a scripted feed; everything is real but the broker. */
export async function guardedServer(options: SceneOptions = {}): Promise<Scene & { readonly guard: McpGuard }> {
  return (await guardedServerOf(LINE_2, options)) as Scene & { readonly guard: McpGuard };
}

/** The same, of another line of the SDK. */
export async function guardedServerOf<Context>(
  line: SdkLine<Context>,
  options: SceneOptions = {},
): Promise<Scene<Context>> {
  const { clock, proofs, tls, ...guardOptions } = options;
  const http =
    tls === undefined ? createServer() : createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: false });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address() as AddressInfo;
  const resource = `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}/mcp`;

  const broker = await scriptedBroker();
  const verifier = createVerifier({
    endpoint: broker.socket,
    audiences: [resource],
    ...(clock !== undefined && { clock }),
    ...(proofs !== undefined && { proofs }),
  });
  const watch = await broker.nextWatch();
  watch.send(snapshot([], "c1"), bundle(KEYS, { issuer: ISSUER, txnTokenJwks: txnTokenKeysOf(txnSigner) }));
  let silent = false;
  void answerPings();
  await verifier.ready();

  async function answerPings(): Promise<void> {
    while (!silent) {
      const { nonce } = await watch.next("ping");
      if (!silent) watch.send(pong(nonce, clock?.wallMs() ?? Date.now()));
    }
  }

  const read = { actions: ["read"], datatypes: ["internal"] } as const;
  const guard = line.createGuard({
    verifier,
    resource,
    issuer: ISSUER,
    tools: { search: read, wait: read, stream: read, erase: { actions: ["write"], datatypes: ["internal"] } },
    ...guardOptions,
  });
  const calls: Scene<Context>["calls"] = [];
  let begun = Promise.withResolvers<Context>();
  const mcp = line.serve((tool, context) => {
    calls.push({ tool, context });
    begun.resolve(context);
    begun = Promise.withResolvers();
  });
  const listener = guard.listener(mcp.fetch);
  http.on("request", listener);
  onTestFinished(async () => {
    verifier.close();
    await mcp.close();
    http.closeAllConnections();
    http.close();
  });

  const now = Math.floor((clock?.wallMs() ?? Date.now()) / 1_000);
  const times = { iat: now, nbf: now - 5, exp: now + 120 };
  const everything = ["search", "wait", "stream", "ask", "hidden"].map((identifier) => ({
    type: "mcp_tool",
    locations: [resource],
    identifier,
    actions: ["read"],
    datatypes: ["internal"],
  }));
  const claims = { aud: [resource], ...times, authorization_details: everything };
  return {
    resource,
    guard,
    listener,
    verifier,
    watch,
    calls,
    token: (changes = {}) => mint(signer, { claims: { ...claims, ...changes } }),
    foreignToken: () => mint(foreign, { claims }),
    async endStep() {
      watch.send(denied([deniedStep(STEP_ID, SPIFFE_ID)], "c9"));
      while (Buffer.from((await watch.next("acknowledge")).cursor).toString() !== "c9");
    },
    silence() {
      silent = true;
    },
    called: () => begun.promise,
    post: (message, headers = {}) =>
      fetch(resource, {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json, text/event-stream", ...headers },
        body: typeof message === "string" ? message : JSON.stringify(message),
      }),
    async client(send, versionNegotiation) {
      const client = new Client({ name: "test", version: "1" }, versionNegotiation && { versionNegotiation });
      const transport = new StreamableHTTPClientTransport(new URL(resource), send && { fetch: send });
      await client.connect(transport);
      onTestFinished(() => client.close());
      return client;
    },
  };
}

/** Tools that answer at once, that wait until they are stopped, and that do so after a first word. */
function toolsOf(begin: (tool: string, context: ServerContext) => void): McpServer {
  const server = new McpServer({ name: "guarded", version: "1" });
  const inputSchema = z.object({ query: z.string().optional() });
  const answer = (text: string) => ({ content: [{ type: "text" as const, text }] });
  for (const tool of ["search", "erase", "hidden"]) {
    server.registerTool(tool, { inputSchema }, (_arguments, context) => {
      begin(tool, context);
      return answer(`${tool} for ${stepOf(context.http?.authInfo)?.stepId}`);
    });
  }
  for (const tool of ["wait", "stream"]) {
    server.registerTool(tool, { inputSchema }, async (_arguments, context) => {
      if (tool === "stream") {
        const { progressToken = 0 } = context.mcpReq._meta ?? {};
        const params = { progressToken, progress: 1, total: 2 };
        await context.mcpReq.notify({ method: "notifications/progress", params });
      }
      begin(tool, context);
      if (!context.mcpReq.signal.aborted) await once(context.mcpReq.signal, "abort");
      return answer("stopped");
    });
  }
  return server;
}

/** A fetch that sends this token, and nothing clever. */
export function withToken(token: string): typeof globalThis.fetch {
  return (input, init) => {
    const headers = new Headers(init?.headers);
    headers.set("authorization", `Bearer ${token}`);
    return fetch(input, { ...init, headers });
  };
}
