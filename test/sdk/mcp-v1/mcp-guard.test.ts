import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { requireBearerAuth } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import type { AuthInfo } from "@modelcontextprotocol/sdk/server/auth/types.js";
import { createMcpExpressApp } from "@modelcontextprotocol/sdk/server/express.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createMcpGuard, type StepAuthInfo, serveStateless } from "../../../src/sdk/mcp-v1/index.ts";
import { guardedServerOf, ISSUER, type Scene, STEP_ID, searchGrant, withToken } from "../mcp/scene.ts";
import { loopback } from "../runtime/loopback.ts";
import { manualClock } from "../verifier/manual-clock.ts";
import { type LegacyContext, LINE_1 } from "./scene-v1.ts";

// Of Express as much as is used here: its types are not installed.
type Authenticated = { readonly auth?: AuthInfo };
type Sent = { json(body: unknown): void };

/** A client of the older line of the official SDK, connected. */
async function clientOf({ resource }: Scene<LegacyContext>, send: typeof fetch): Promise<Client> {
  const client = new Client({ name: "test", version: "1" });
  const transport = new StreamableHTTPClientTransport(new URL(resource), { fetch: send });
  await client.connect(transport as Parameters<typeof client.connect>[0]);
  onTestFinished(() => client.close());
  return client;
}

describe("a client and a server of the older line of the MCP SDK", () => {
  test("call what the step was granted, and the handler learns which step it is, without its token", async () => {
    const scene = await guardedServerOf(LINE_1);
    const token = scene.token();
    const client = await clientOf(scene, withToken(token));
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain("search");
    const result = await client.callTool({ name: "search", arguments: { query: "x" } });
    expect(result["content"]).toEqual([{ type: "text", text: `search for ${STEP_ID}` }]);
    const [call] = scene.calls;
    expect(call?.context.authInfo).toMatchObject({
      token: "",
      clientId: "spiffe://example.org/agent/researcher",
      scopes: ["mcp:tool:search"],
      resource: new URL(scene.resource),
      extra: { step: { stepId: STEP_ID, runId: "r1", step: "search", attempt: 1 } },
    });
    expect(JSON.stringify([call?.context.authInfo, call?.context.requestInfo])).not.toContain(token.slice(-40));
  });

  test("are refused a tool that the step was not granted, and one that is not declared", async () => {
    const scene = await guardedServerOf(LINE_1);
    const client = await clientOf(scene, withToken(scene.token(searchGrant(scene.resource, "*"))));
    await expect(client.callTool({ name: "erase", arguments: {} })).rejects.toThrow();
    await expect(client.callTool({ name: "hidden", arguments: {} })).rejects.toMatchObject({
      data: { reason: "TOOL_UNDECLARED" },
    });
    expect(scene.calls).toEqual([]);
  });

  test.for(["wait", "stream"])("see a call of %s stopped when the step ends, and so does its handler", async (name) => {
    const scene = await guardedServerOf(LINE_1);
    const client = await clientOf(scene, withToken(scene.token()));
    const begun = scene.called();
    const call = client
      .callTool({ name, arguments: {} }, undefined, { onprogress: () => undefined })
      .catch((thrown: unknown) => thrown);
    const context = await begun;
    expect(context.signal.aborted).toBe(false);
    await scene.endStep();
    const thrown = (await call) as Error;
    expect(thrown).toBeInstanceOf(Error);
    expect(JSON.stringify([thrown.message, { ...thrown }])).toContain("STEP_CLOSED");
    await vi.waitFor(() => expect(context.signal.aborted).toBe(true));
  });

  test("are refused everything once the step has ended", async () => {
    const scene = await guardedServerOf(LINE_1);
    const client = await clientOf(scene, withToken(scene.token()));
    await scene.endStep();
    await expect(client.listTools()).rejects.toThrow(/STEP_CLOSED/);
  });

  test("leave nothing running when the client goes away", async () => {
    const scene = await guardedServerOf(LINE_1);
    const gone = new AbortController();
    const send = withToken(scene.token());
    const begun = scene.called();
    const params = { name: "wait", arguments: {} };
    const answer = send(scene.resource, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }),
      signal: gone.signal,
    }).then((response) => response.text());
    const context = await begun;
    gone.abort();
    await expect(answer).rejects.toThrow();
    await vi.waitFor(() => expect(context.signal.aborted).toBe(true));
  });
});

describe("serveStateless", () => {
  test.for([
    { what: "a call", message: { id: 1, method: "tools/list" }, headers: {} },
    { what: "a notification", message: { method: "notifications/initialized" }, headers: {} },
    {
      what: "a message in a form that is refused",
      message: { id: 1, method: "ping" },
      headers: { accept: "text/html" },
    },
  ])("closes the server of $what once the answer is complete", async ({ message, headers }) => {
    const closed = Promise.withResolvers<void>();
    const serve = serveStateless(() => {
      const server = new McpServer({ name: "one", version: "1" });
      server.registerTool("search", {}, () => ({ content: [] }));
      server.server.onclose = () => closed.resolve();
      return server;
    });
    const types = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    const body = JSON.stringify({ jsonrpc: "2.0", ...message });
    const request = new Request("http://x/mcp", { method: "POST", headers: { ...types, ...headers }, body });
    const response = await serve(request, { authInfo: {} as StepAuthInfo, parsedBody: undefined });
    await response.text();
    await closed.promise;
  });
});

describe("the token verifier, behind the older SDK's own middleware", () => {
  /** What that middleware answers to a token. */
  async function gateOf(scene: Scene<LegacyContext>, options: { readonly proof?: "required" } = {}) {
    const { resource, verifier } = scene;
    const guard = createMcpGuard({ verifier, resource, issuer: ISSUER, tools: {}, ...options });
    const app = createMcpExpressApp();
    const gate = requireBearerAuth({ verifier: guard, expectedResource: new URL(resource) });
    app.get("/", gate, (request: Authenticated, response: Sent) => void response.json(request.auth?.extra));
    const origin = await loopback((request, response) => void app(request, response));
    return async (token: string) => {
      const response = await fetch(origin, { headers: { authorization: `Bearer ${token}` } });
      return [response.status, await response.json()];
    };
  }

  test("tells it who calls", async () => {
    const scene = await guardedServerOf(LINE_1);
    const ask = await gateOf(scene);
    expect(await ask(scene.token())).toEqual([
      200,
      expect.objectContaining({ step: expect.objectContaining({ stepId: STEP_ID }) }),
    ]);
  });

  test("makes it answer 401 to a token that does not hold or is bound, and 500 when it cannot tell", async () => {
    const clock = manualClock(Date.now());
    const scene = await guardedServerOf(LINE_1, { clock });
    const ask = await gateOf(scene);
    const invalid = (description: string) => [401, { error: "invalid_token", error_description: description }];
    expect(await ask(scene.foreignToken())).toEqual(invalid("the signature does not hold"));
    expect(await ask(scene.token({ cnf: { jkt: "A".repeat(43) } }))).toEqual(
      invalid("the token is bound to a key: a DPoP proof of it is required"),
    );
    await scene.endStep();
    expect(await ask(scene.token())).toEqual(invalid("the step has ended"));
    scene.silence();
    clock.advance(61_000);
    expect(await ask(scene.token())).toEqual([
      500,
      { error: "server_error", error_description: "the revocations known to the verifier are out of date" },
    ]);
  });

  test("refuses every token where proofs are required, since it can see none", async () => {
    const scene = await guardedServerOf(LINE_1);
    const ask = await gateOf(scene, { proof: "required" });
    expect(await ask(scene.token())).toEqual([
      401,
      { error: "invalid_token", error_description: "proofs are required here, and none can be seen" },
    ]);
  });
});
