import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { McpServer, WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/server";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { Effect } from "../../src/gen/stint/v1/history_pb.js";
import type { Step } from "../../src/sdk/runtime/index.ts";
import { operatorOf } from "../e2e/operator.ts";
import { type GuardProcess, type GuardScene, guardScene, RESOURCE, SECRET } from "./guard-scene.ts";

const READ = { actions: ["read"], datatypes: ["internal"] };
const TOOLS = ["whoami", "leak", "stream", "act"];

/** What a server may answer that is broken, or wants to break whoever reads it. */
const ODD_ANSWERS: Readonly<Record<string, (response: ServerResponse) => void>> = {
  "/page": (response) => response.writeHead(200, { "content-type": "text/html" }).end("<h1>welcome</h1>"),
  "/error-page": (response) => response.writeHead(500, { "content-type": "text/html" }).end("<h1>at /srv/secret</h1>"),
  "/million": (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const tool = JSON.stringify({ name: "search", inputSchema: { type: "object" } });
    response.write('{"jsonrpc":"2.0","id":1,"result":{"tools":[');
    response.end(`${`${tool},`.repeat(1_000_000)}${tool}]}}`);
  },
  "/broken-off": (response) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": 1_000 });
    response.write('{"jsonrpc":"2.0",', () => response.destroy());
  },
};

/** Whoever sends what no client would, as a step. */
async function raw(step: Step, { url }: GuardProcess) {
  const authorization = (await step.jwtSvid(RESOURCE)).authorization();
  const own = { authorization, "content-type": "application/json", accept: "application/json, text/event-stream" };
  return {
    post: (message: unknown, headers: Readonly<Record<string, string>> = {}) =>
      fetch(`${url}/mcp`, { method: "POST", headers: { ...own, ...headers }, body: JSON.stringify(message) }),
  };
}

const refusedBy = async (answer: Response) =>
  ((await answer.json()) as { readonly error: { readonly data?: { readonly reason?: string } } }).error.data?.reason;

type Seen = Pick<IncomingMessage, "method" | "headers"> & { readonly body?: unknown };

/** A server with sessions, which lets in whoever has its key, and shows what it was sent. */
async function legacyServer(): Promise<{ readonly url: string; readonly seen: Seen[]; readonly server: Server }> {
  const seen: Seen[] = [];
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();
  async function open() {
    const mcp = new McpServer({ name: "legacy", version: "1" });
    const text = (value: string) => ({ content: [{ type: "text" as const, text: value }] });
    mcp.registerTool("whoami", { inputSchema: z.object({}) }, () => text("legacy"));
    mcp.registerTool("leak", { inputSchema: z.object({}) }, () => text(`the key is ${SECRET}`));
    mcp.registerTool("stream", { inputSchema: z.object({}) }, async (_, { mcpReq }) => {
      const progressToken = mcpReq._meta?.progressToken ?? 0;
      for (const message of ["begins", `with ${SECRET}`, "ends"]) {
        const params = { progressToken, progress: 1, message };
        await mcpReq.notify({ method: "notifications/progress", params });
      }
      return text("done");
    });
    const inputSchema = z.object({ what: z.string(), api_key: z.string() });
    mcp.registerTool("act", { inputSchema }, (given) => text(given.api_key === SECRET ? `did ${given.what}` : "no"));
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
    });
    await mcp.connect(transport);
    return transport;
  }
  const listener = getRequestListener(async (request) => {
    const session = sessions.get(request.headers.get("mcp-session-id") ?? "") ?? (await open());
    return session.handleRequest(request);
  });
  const server = createServer((request, response) => {
    seen.push({ method: request.method ?? "", headers: request.headers });
    const odd = ODD_ANSWERS[request.url ?? ""];
    if (odd !== undefined) return void odd(response);
    if (request.url === "/elsewhere") return response.writeHead(307, { location: "http://127.0.0.1:9/mcp" }).end();
    if (request.headers["x-api-key"] !== SECRET) return response.writeHead(401).end();
    return void listener(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, server };
}

describe("a server that speaks streamable HTTP", () => {
  let scene: GuardScene;
  let legacy: Awaited<ReturnType<typeof legacyServer>>;
  beforeAll(async () => {
    scene = await guardScene();
    legacy = await legacyServer();
  });
  afterAll(async () => {
    legacy?.server.closeAllConnections();
    legacy?.server.close();
    await scene?.close();
  });
  beforeEach(() => void legacy.seen.splice(0));

  const configOf = (own: Readonly<Record<string, unknown>> = {}) => ({
    upstream: { url: `${legacy.url}/mcp` },
    tools: Object.fromEntries(TOOLS.map((name) => [name, READ])),
    inject: [{ secret: "key", header: "X-Api-Key" }],
    ...own,
  });
  const textOf = (result: unknown) => (result as { content: readonly { text: string }[] }).content[0]?.text ?? "";

  test("is sent its secret, and of the client's headers neither token nor cookie nor key", async () => {
    const guard = await scene.guard(configOf());
    const step = await scene.step("whoami");
    const client = await scene.client(step, guard);
    expect(textOf(await client.callTool({ name: "whoami", arguments: {} }))).toBe("legacy");
    const authorization = (await step.jwtSvid(RESOURCE)).authorization();
    const own = { cookie: "a=b", "x-api-key": "the client's", "x-forwarded-for": "1.2.3.4" };
    const headers = {
      ...own,
      authorization,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" });
    await fetch(`${guard.url}/mcp`, { method: "POST", headers, body });
    for (const { headers: sent } of legacy.seen) {
      expect(sent["x-api-key"]).toBe(SECRET);
      expect(Object.keys(sent)).not.toEqual(expect.arrayContaining(["authorization"]));
      expect(sent["cookie"] ?? sent["x-forwarded-for"]).toBeUndefined();
    }
    expect(legacy.seen.length).toBeGreaterThan(2);
  });

  test("has an answer with its secret withheld, and a stream ended before the event that holds it", async () => {
    const guard = await scene.guard(configOf());
    const client = await scene.client(await scene.step("leak", "stream"), guard);
    const withheld = "the answer was withheld: it holds a secret of the server's";
    await expect(client.callTool({ name: "leak", arguments: {} })).rejects.toThrow(withheld);
    const seen: string[] = [];
    const onprogress = ({ message = "" }) => void seen.push(message);
    await expect(client.callTool({ name: "stream", arguments: {} }, { onprogress })).rejects.toThrow(withheld);
    expect(seen).toEqual(["begins"]);
    expect(guard.stderr()).not.toContain(SECRET);
  });

  test("gets an argument from the guard, of which clients are told nothing, and whose word in it counts for nothing", async () => {
    const injections = [...configOf().inject, { secret: "key", argument: "api_key", tools: ["act"] }];
    const guard = await scene.guard(configOf({ inject: injections }));
    const client = await scene.client(await scene.step("act"), guard);
    const [tool] = (await client.listTools()).tools;
    expect(tool?.inputSchema).toMatchObject({ properties: { what: { type: "string" } }, required: ["what"] });
    expect(Object.keys(tool?.inputSchema.properties ?? {})).toEqual(["what"]);
    expect(textOf(await client.callTool({ name: "act", arguments: { what: "it" } }))).toBe("did it");
    const own = { what: "it", api_key: "the client's" };
    expect(textOf(await client.callTool({ name: "act", arguments: own }))).toBe("did it");
  });

  test("is told that a session is over when its step has ended", async () => {
    const guard = await scene.guard(configOf());
    const step = await scene.step("whoami");
    await scene.client(step, guard);
    await step.close("COMPLETED");
    await vi.waitFor(() => expect(legacy.seen.at(-1)?.method).toBe("DELETE"), { timeout: 20_000 });
  });

  test.for([
    { what: "does not let the guard in", config: { inject: [] }, reason: "does not let the guard in" },
    { what: "sends the guard elsewhere", config: { path: "/elsewhere" }, reason: "follows nowhere" },
    { what: "can't be reached", config: { origin: "http://127.0.0.1:9" }, reason: "can't be reached" },
  ])("one that $what: the client is told so, without an address", async ({ config, reason }) => {
    const {
      path = "/mcp",
      origin = legacy.url,
      inject = configOf().inject,
    } = config as Record<string, string> & { inject?: [] };
    const guard = await scene.guard(configOf({ upstream: { url: origin + path }, inject }));
    const failed = await scene.client(await scene.step("whoami"), guard).catch((thrown: unknown) => thrown);
    expect(String(failed)).toContain(reason);
    expect(String(failed)).not.toContain("127.0.0.1");
  });

  test.for([
    { path: "/page", status: 502, reason: "UPSTREAM_MALFORMED" },
    { path: "/million", status: 502, reason: "UPSTREAM_MALFORMED" },
    { path: "/broken-off", status: 502, reason: "UPSTREAM_UNREACHABLE" },
    { path: "/error-page", status: 500, reason: undefined },
  ])("an answer like $path is not passed on, and others are served", async ({ path, status, reason }) => {
    const guard = await scene.guard(configOf({ upstream: { url: legacy.url + path } }));
    const { post } = await raw(await scene.step("whoami"), guard);
    const answer = await post({ jsonrpc: "2.0", id: 1, method: "tools/list" });
    const text = await answer.text();
    expect(answer.status).toBe(status);
    expect(reason === undefined ? text : JSON.parse(text).error.data).toEqual(reason === undefined ? "" : { reason });
    expect((await post({ jsonrpc: "2.0", id: 2, method: "tools/list" })).status).toBe(status);
  });

  test("another step's session is nobody's, and a tool that header and body name differently is none", async () => {
    const guard = await scene.guard(configOf());
    const [own, other] = [await scene.step("whoami"), await scene.step("whoami", "leak")];
    const client = await scene.client(own, guard);
    const session = client.transport?.sessionId ?? "";
    const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "whoami", arguments: {} } };
    const { post } = await raw(other, guard);
    expect(await refusedBy(await post(call, { "mcp-session-id": session }))).toBe("SESSION_NOT_FOUND");
    expect(await refusedBy(await post(call, { "mcp-name": "leak" }))).toBe("HEADER_MISMATCH");
    expect(legacy.seen.filter(({ headers }) => headers["mcp-name"] !== undefined)).toEqual([]);
  });

  test("calls that are marked are decided by the broker, and what became of calls is told", async () => {
    const guard = await scene.guard(configOf({ check: { tools: ["whoami"] } }));
    const step = await scene.step("whoami");
    const client = await scene.client(step, guard);
    expect(textOf(await client.callTool({ name: "whoami", arguments: {} }))).toBe("legacy");
    using operator = operatorOf(scene.daemon.operatorSocket);
    const filter = { stepId: step.stepId };
    const { decisions } = await operator.history.listDecisions({ filter });
    const call = { tool: "whoami", location: RESOURCE };
    expect(decisions).toMatchObject([{ effect: Effect.ALLOW, call }, { effect: Effect.ALLOW }]);
    await vi.waitFor(
      async () => {
        const { usage } = await operator.history.listUsage({ filter });
        expect(usage).toMatchObject([{ verifier: "guard", tool: "whoami", outcome: "served", calls: 1n }]);
      },
      { timeout: 20_000 },
    );
  });

  test("a token of another audience, or none, reaches no server", async () => {
    const guard = await scene.guard(configOf());
    const answer = await fetch(`${guard.url}/mcp`, { method: "POST", body: "{}" });
    expect(answer.status).toBe(401);
    expect(legacy.seen).toEqual([]);
  });
});

describe("a guard that can't do its work does not start, and says what to mend", () => {
  let scene: GuardScene;
  beforeAll(async () => {
    scene = await guardScene();
  });
  afterAll(() => scene?.close());
  const url = "http://127.0.0.1:9/mcp";

  test.for([
    { what: "no server", config: {}, says: "upstream: expected one server: a url, a command, or a command after --" },
    { what: "a key that there is none of", config: { upstream: { uri: url } }, says: "upstream.uri: no such key" },
    {
      what: "an address of a network without TLS",
      config: { upstream: { url }, listen: "0.0.0.0:3000" },
      says: "listen: expected a loopback address, or tls",
    },
    {
      what: "a secret that is not there",
      config: { upstream: { url }, inject: [{ secret: "other", header: "X-Api-Key" }] },
      says: "inject[0].secret: expected the name of one of the secrets",
    },
    {
      what: "a header that is the guard's own",
      config: { upstream: { url }, inject: [{ secret: "key", header: "Mcp-Session-Id" }] },
      says: "inject[0]: expected a header that the guard leaves alone",
    },
    {
      what: "a tool in two words",
      config: { upstream: { url }, inject: [{ secret: "key", argument: "key", tools: ["delte"] }] },
      says: "inject[0].tools: expected names of the tools below `tools`",
    },
  ])("$what", async ({ config, says }) => {
    const [status, stderr] = await scene.failing({ tools: { delete: READ }, ...config });
    expect([status, stderr]).toEqual([2, expect.stringContaining(says)]);
  });

  test.for([
    { what: "is in no file", secret: { file: "/nowhere/key" }, says: "the secret key: its file can't be read" },
    { what: "everybody may read", secret: { file: "/etc/passwd" }, says: "others than the guard's user may read" },
    { what: "no command prints", secret: { command: ["/bin/false"] }, says: "the secret key: its command has failed" },
    { what: "is too short to be found", secret: { command: ["/bin/echo", "abc"] }, says: "is not one line of 8 to" },
  ])("a secret that $what", async ({ secret, says }) => {
    const upstream = { url };
    const [status, stderr] = await scene.failing({ tools: {}, upstream, secrets: { key: secret } });
    expect([status, stderr]).toEqual([1, expect.stringContaining(says)]);
  });
});
