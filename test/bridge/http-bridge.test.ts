import { request as requestHttp } from "node:http";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport as AnyTransportV1 } from "@modelcontextprotocol/sdk/shared/transport.js";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { Bridge } from "../../src/bridge/start-bridge.ts";
import { mcpRefusalOf } from "../../src/sdk/runtime/index.ts";
import { type BridgeScene, bridgeScene } from "./bridge-scene.ts";

let scene: BridgeScene;
beforeAll(async () => {
  scene = await bridgeScene();
});
afterAll(() => scene?.close());
beforeEach(() => void scene.seen.splice(0));

const textOf = (result: unknown) => (result as { content: readonly { text: string }[] }).content[0]?.text ?? "";

type AnyClient = {
  listTools(): Promise<{ readonly tools: readonly { readonly name: string }[] }>;
  callTool(call: { readonly name: string; readonly arguments: Record<string, unknown> }): Promise<unknown>;
};

async function client(bridge: Bridge, name: string, era: "2026-07-28" | "2025-11-25"): Promise<Client> {
  const versionNegotiation = era === "2026-07-28" ? { mode: { pin: era } as const } : { mode: "legacy" as const };
  const made = new Client({ name: "unchanged", version: "1" }, { versionNegotiation });
  const requestInit = { headers: { authorization: bridge.authorization } };
  await made.connect(new StreamableHTTPClientTransport(new URL(bridge.urlOf(name)), { requestInit }));
  onTestFinished(() => made.close());
  return made;
}

async function clientV1(bridge: Bridge, name: string): Promise<ClientV1> {
  const made = new ClientV1({ name: "unchanged", version: "1" });
  const requestInit = { headers: { authorization: bridge.authorization } };
  await made.connect(new TransportV1(new URL(bridge.urlOf(name)), { requestInit }) as AnyTransportV1);
  onTestFinished(() => made.close());
  return made;
}

const LINES = [
  { line: "2.x, revision 2026-07-28", of: (bridge: Bridge, name = "mcp") => client(bridge, name, "2026-07-28") },
  { line: "2.x, revision 2025-11-25", of: (bridge: Bridge, name = "mcp") => client(bridge, name, "2025-11-25") },
  { line: "1.x", of: (bridge: Bridge, name = "mcp") => clientV1(bridge, name) },
] satisfies { line: string; of: (bridge: Bridge) => Promise<AnyClient> }[];

const JSON_HEADERS = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const PING = JSON.stringify({ jsonrpc: "2.0", id: 7, method: "ping" });

/** One request as a client of no library makes it, with whatever headers. */
function ask(
  url: string,
  headers: Readonly<Record<string, string>>,
  { method = "POST", body = PING }: { readonly method?: string; readonly body?: string } = {},
): Promise<{ readonly status: number; readonly headers: object; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const request = requestHttp(url, { method, headers: { ...JSON_HEADERS, ...headers } }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

describe.for(LINES)("an unmodified client of $line", ({ of }) => {
  test("calls as the step, and none of what it sends of itself arrives", async () => {
    const bridge = await scene.bridge(await scene.step("search"));
    const agent = await of(bridge);
    expect((await agent.listTools()).tools.map(({ name }) => name)).toEqual(["search"]);
    expect(textOf(await agent.callTool({ name: "search", arguments: { query: "it" } }))).toBe("found it");
    const [, secret = ""] = bridge.authorization.split(" ");
    expect(scene.seen.length).toBeGreaterThan(1);
    for (const { headers } of scene.seen) {
      expect(headers.authorization).toMatch(/^Bearer ey/);
      expect(JSON.stringify(headers)).not.toContain(secret);
      expect(headers["user-agent"]).toBeUndefined();
    }
  });

  test("is told what it may not call, what that would take, and that approval is of no help", async () => {
    const agent = await of(await scene.bridge(await scene.step("search")));
    const thrown = await agent.callTool({ name: "erase", arguments: {} }).catch((error: unknown) => error);
    const location = `${scene.origin}/mcp`;
    expect(String(thrown)).toContain("GRANT_EXCEEDED");
    expect(String(thrown)).toContain(`Refused was erase at ${location}, to write internal data`);
    expect(String(thrown)).toContain("No approval helps");
    expect(mcpRefusalOf(thrown)).toMatchObject({
      reason: "GRANT_EXCEEDED",
      refused: [{ identifier: "erase", locations: [location], actions: ["write"], datatypes: ["internal"] }],
    });
  });

  test("has its running call ended with the step, and the next one refused for the same reason", async () => {
    const step = await scene.step("wait");
    const agent = await of(await scene.bridge(step));
    const begun = scene.waiting();
    const call = agent.callTool({ name: "wait", arguments: {} }).catch((error: unknown) => error);
    await begun;
    await step.close("CANCELLED");
    expect(mcpRefusalOf(await call)).toEqual({ reason: "STEP_CLOSED", state: "CANCELLED" });
    const next = await agent.callTool({ name: "wait", arguments: {} }).catch((error: unknown) => error);
    expect(mcpRefusalOf(next)).toMatchObject({ reason: "STEP_CLOSED" });
    expect(String(next)).toContain("The step has ended (CANCELLED)");
  });
});

describe("a call that is under way when the step ends is answered with that", () => {
  async function calling(answer: Parameters<BridgeScene["answer"]>[0]) {
    scene.answer(answer);
    const step = await scene.step("search");
    const bridge = await scene.bridge(step);
    const headers = { ...JSON_HEADERS, authorization: bridge.authorization };
    return { step, answered: fetch(bridge.urlOf("raw"), { method: "POST", headers, body: PING }) };
  }
  const ended = { id: 7, error: { data: { reason: "STEP_CLOSED", state: "CANCELLED" } } };

  test("before its server has said anything", async () => {
    const asked = Promise.withResolvers<void>();
    const { step, answered } = await calling(() => asked.resolve());
    await asked.promise;
    await step.close("CANCELLED");
    expect(await (await answered).json()).toMatchObject(ended);
  });

  test("in the middle of an event, which does not swallow it", async () => {
    const { step, answered } = await calling(
      (_, response) => void response.writeHead(200, { "content-type": "text/event-stream" }).write("data: {"),
    );
    const response = await answered;
    await step.close("CANCELLED");
    const [, data = ""] = /\n\nevent: message\ndata: (.*)\n\n$/.exec(await response.text()) ?? [];
    expect(JSON.parse(data)).toMatchObject(ended);
  });
});

test("a session of a client passes: its stream is opened, and its end told to the server", async () => {
  const agent = await client(await scene.bridge(await scene.step("search")), "sessions", "2025-11-25");
  const transport = agent.transport as StreamableHTTPClientTransport;
  expect(textOf(await agent.callTool({ name: "search", arguments: {} }))).toBe("found nothing");
  const id = transport.sessionId;
  expect(id).toBeDefined();
  await transport.terminateSession();
  const ofSession = scene.seen.filter(({ headers }) => headers["mcp-session-id"] === id);
  expect(new Set(ofSession.map(({ method }) => method))).toEqual(new Set(["POST", "GET", "DELETE"]));
});

describe("whoever is not the client", () => {
  type Attack = {
    readonly what: string;
    readonly of: (bridge: Bridge) => Readonly<Record<string, string>>;
    readonly path?: string;
    readonly method?: string;
    readonly status?: number;
    readonly reason: string;
  };
  const attacks: readonly Attack[] = [
    { what: "brings no secret", of: () => ({}), reason: "SECRET_INVALID" },
    {
      what: "brings a wrong secret",
      of: ({ authorization }) => ({ authorization: `${authorization.slice(0, -1)}_` }),
      reason: "SECRET_INVALID",
    },
    {
      what: "brings a credential of its own",
      of: () => ({ authorization: "Bearer eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl" }),
      reason: "SECRET_INVALID",
    },
    {
      what: "is a page of another site",
      of: ({ authorization }) => ({ authorization, origin: "https://attacker.example" }),
      reason: "ORIGIN_REFUSED",
    },
    {
      what: "is a page without an origin to name",
      of: ({ authorization }) => ({ authorization, origin: "null" }),
      reason: "ORIGIN_REFUSED",
    },
    {
      what: "has a name that was made to point here",
      of: ({ authorization }) => ({ authorization, host: "attacker.example" }),
      reason: "HOST_REFUSED",
    },
    {
      what: "knows the port by another name",
      of: (bridge) => ({ authorization: bridge.authorization, host: `localhost:${new URL(bridge.urlOf("mcp")).port}` }),
      reason: "HOST_REFUSED",
    },
    {
      what: "asks for a server that the step has not",
      of: ({ authorization }) => ({ authorization }),
      path: "other",
      status: 404,
      reason: "SERVER_UNKNOWN",
    },
    {
      what: "asks for something below a server",
      of: ({ authorization }) => ({ authorization }),
      path: "mcp/below",
      status: 404,
      reason: "SERVER_UNKNOWN",
    },
    {
      what: "comes with a method that MCP has not",
      of: ({ authorization }) => ({ authorization }),
      method: "PUT",
      status: 405,
      reason: "HTTP_METHOD_REFUSED",
    },
  ];

  test.for(attacks)("$what: is refused, is not asked to log in, and reaches no server", async (attack) => {
    const bridge = await scene.bridge(await scene.step("search"));
    const url = bridge.urlOf("mcp").replace(/mcp$/, attack.path ?? "mcp");
    const { method = "POST", status = 403 } = attack;
    const answered = await ask(url, attack.of(bridge), { method });
    expect([answered.status, JSON.parse(answered.body).error.data]).toEqual([status, { reason: attack.reason }]);
    expect(Object.keys(answered.headers)).not.toContain("www-authenticate");
    expect(scene.seen).toEqual([]);
  });

  test("finds nothing once the bridge is gone", async () => {
    const bridge = await scene.bridge(await scene.step("search"));
    bridge.close();
    await expect(ask(bridge.urlOf("mcp"), { authorization: bridge.authorization })).rejects.toThrow("ECONNREFUSED");
  });
});

test("a token-shaped argument is an argument; the bridge's secret in one is sent to nobody", async () => {
  const bridge = await scene.bridge(await scene.step("search"));
  const agent = await client(bridge, "mcp", "2026-07-28");
  const query = "Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJib3NzIn0.c2lnbmF0dXJl";
  expect(textOf(await agent.callTool({ name: "search", arguments: { query } }))).toBe(`found ${query}`);
  scene.seen.splice(0);
  const [, secret = ""] = bridge.authorization.split(" ");
  await expect(agent.callTool({ name: "search", arguments: { query: secret } })).rejects.toThrow("SECRET_IN_BODY");
  expect(scene.seen).toEqual([]);
});

test("of a client's headers neither cookie nor key nor address arrives, and of a server's none that binds the client", async () => {
  scene.answer((_, response) => {
    const headers = { "content-type": "application/json", "set-cookie": "a=b", "mcp-session-id": "s-1" };
    response.writeHead(200, headers).end(JSON.stringify({ jsonrpc: "2.0", id: 7, result: {} }));
  });
  const bridge = await scene.bridge(await scene.step("search"));
  const own = { cookie: "a=b", "x-api-key": "k", "x-forwarded-for": "1.2.3.4", dpop: "d", "txn-token": "t" };
  const { headers } = await ask(bridge.urlOf("raw"), { authorization: bridge.authorization, ...own });
  expect(Object.keys(scene.seen[0]?.headers ?? {}).sort()).toEqual(
    ["accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "host"].sort(),
  );
  expect(headers).toMatchObject({ "mcp-session-id": "s-1" });
  expect(Object.keys(headers)).not.toContain("set-cookie");
});

test("a token that its server takes no longer is renewed within the call, and a stream that was cut is taken up again", async () => {
  scene.answer((_, response) => {
    const isFirst = scene.seen.length === 1;
    response.writeHead(isFirst ? 401 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify({ jsonrpc: "2.0", id: 7, result: {} }));
  });
  const bridge = await scene.bridge(await scene.step("search"));
  const headers = { authorization: bridge.authorization, "last-event-id": "e-1" };
  expect(JSON.parse((await ask(bridge.urlOf("raw"), headers)).body)).toEqual({ jsonrpc: "2.0", id: 7, result: {} });
  const [first, second] = scene.seen.map(({ headers: sent }) => sent);
  expect(second?.authorization).not.toBe(first?.authorization);
  expect(second?.["last-event-id"]).toBe("e-1");
});

describe("a server that", () => {
  const challenge = 'Bearer resource_metadata="https://attacker.example/.well-known/oauth-protected-resource"';
  test.for([
    { what: "asks for a login", status: 401, headers: { "www-authenticate": challenge }, reason: "SERVER_REFUSED" },
    { what: "wants more scope", status: 403, headers: { "www-authenticate": challenge }, reason: "SERVER_REFUSED" },
    { what: "sends its client elsewhere", status: 307, headers: { location: "/mcp" }, reason: "SERVER_REFUSED" },
    { what: "can't answer now", status: 503, headers: {}, reason: "SERVER_UNREACHABLE" },
    { what: "encodes unasked", status: 200, headers: { "content-encoding": "gzip" }, reason: "SERVER_MALFORMED" },
  ])("$what: the client reads why, in the answer to its call", async ({ status, headers, reason }) => {
    scene.answer((_, response) => void response.writeHead(status, headers as Record<string, string>).end("{}"));
    const bridge = await scene.bridge(await scene.step("search"));
    const answered = await ask(bridge.urlOf("raw"), { authorization: bridge.authorization });
    expect([answered.status, JSON.parse(answered.body)]).toMatchObject([200, { id: 7, error: { data: { reason } } }]);
    expect(JSON.stringify(answered)).not.toMatch(/attacker|www-authenticate|ey[A-Z]/);
    expect(scene.seen.every(({ url }) => url === "/raw")).toBe(true);
  });

  test("is not there: the client reads so, without an address", async () => {
    scene.answer((request) => void request.socket.destroy());
    const bridge = await scene.bridge(await scene.step("search"));
    const { body } = await ask(bridge.urlOf("raw"), { authorization: bridge.authorization });
    expect(JSON.parse(body).error.message).toBe("SERVER_UNREACHABLE: the server can't be reached");
  });

  test("has its own word for a session that it does not know: the client gets it as it is", async () => {
    scene.answer((_, response) => void response.writeHead(404, { "content-type": "application/json" }).end("{}"));
    const bridge = await scene.bridge(await scene.step("search"));
    expect(await ask(bridge.urlOf("raw"), { authorization: bridge.authorization })).toMatchObject({ status: 404 });
  });

  test("refuses what is no request: the client gets a status that is no invitation to log in", async () => {
    scene.answer((_, response) => void response.writeHead(401, { "www-authenticate": challenge }).end());
    const bridge = await scene.bridge(await scene.step("search"));
    const { status, headers } = await ask(
      bridge.urlOf("raw"),
      { authorization: bridge.authorization },
      { method: "GET", body: "" },
    );
    expect(status).toBe(502);
    expect(Object.keys(headers)).not.toContain("www-authenticate");
  });
});
