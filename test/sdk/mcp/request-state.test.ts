import { createMcpHandler, inputRequired, McpServer, type ServerContext } from "@modelcontextprotocol/server";
import { describe, expect, test } from "vitest";
import { createMcpGuard } from "../../../src/sdk/mcp/index.ts";
import { guardedServerOf, ISSUER, type Scene, type SdkLine } from "./scene.ts";
import { stepClaims } from "./session-line.ts";

/** What the server has its client keep. */
const STATE = "half of the work is done";

/** Tools that ask once, and then tell which state they were given. */
const ASKING: SdkLine<ServerContext> = {
  createGuard: createMcpGuard,
  serve: (begin) =>
    createMcpHandler(() => {
      const server = new McpServer({ name: "asking", version: "1" });
      for (const tool of ["search", "wait", "stream"]) {
        server.registerTool(tool, {}, async (context) => {
          begin(tool, context);
          // With a notification before it, the answer is a stream.
          const params = { progressToken: 0, progress: 1 };
          if (tool === "stream") await context.mcpReq.notify({ method: "notifications/progress", params });
          const state = context.mcpReq.requestState();
          return state === undefined
            ? inputRequired({ requestState: STATE })
            : { content: [{ type: "text", text: `given: ${state}` }] };
        });
      }
      return server;
    }),
};

type Answer = {
  readonly status: number;
  readonly text: string;
  readonly state: string;
};

async function call(scene: Scene<ServerContext>, token: string, name: string, requestState?: unknown): Promise<Answer> {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const params = { name, arguments: {}, _meta, ...(requestState !== undefined && { requestState }) };
  const response = await scene.post(
    { jsonrpc: "2.0", id: 7, method: "tools/call", params },
    {
      authorization: `Bearer ${token}`,
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": name,
    },
  );
  const text = await response.text();
  return { status: response.status, text, state: /"requestState":"([^"]*)"/.exec(text)?.[1] ?? "" };
}

function begun(options: Parameters<typeof guardedServerOf>[1] = {}): Promise<Scene<ServerContext>> {
  return guardedServerOf(ASKING, options);
}

describe("what a server has its client keep", () => {
  test.for(["search", "stream"])("is told to nobody, and comes back as it was: %s", async (tool) => {
    const scene = await begun();
    const { text, state } = await call(scene, scene.token(), tool);
    expect(state).toMatch(/^[\w-]{40,}$/);
    expect(text).not.toContain(STATE);
    const { status, text: answer } = await call(scene, scene.token({ jti: "next" }), tool, state);
    expect([status, answer]).toEqual([200, expect.stringContaining(`given: ${STATE}`)]);
  });

  test.for([
    { of: "another attempt", claims: stepClaims("r1", "search", 2) },
    { of: "another step", claims: stepClaims("r1", "other") },
    { of: "another tool", tool: "wait" },
    { of: "the server itself, unsealed", state: () => STATE },
    {
      of: "this step, with a bit changed",
      state: (given: string) => `${given.startsWith("A") ? "B" : "A"}${given.slice(1)}`,
    },
    { of: "this step, cut short", state: (given: string) => given.slice(0, -1) },
    { of: "this step, in another spelling", state: (given: string) => `${given}=` },
    { of: "nobody", state: () => "" },
    { of: "no kind that there is", state: () => ({}) },
  ])("is refused as that of $of, and its server is not called", async ({ claims = {}, tool = "search", state }) => {
    const scene = await begun();
    const { state: given } = await call(scene, scene.token(), "search");
    const { status, text } = await call(scene, scene.token(claims), tool, state === undefined ? given : state(given));
    expect(JSON.parse(text)).toMatchObject({
      id: 7,
      error: { code: -32_602, data: { reason: "REQUEST_STATE_INVALID" } },
    });
    expect([status, scene.calls.length]).toEqual([200, 1]);
  });

  test("is taken by a guard that was started anew only where both have the same secret", async () => {
    for (const { options, is } of [
      { options: {}, is: "REQUEST_STATE_INVALID" },
      { options: { requestStateSecret: new Uint8Array(32).fill(7) }, is: `given: ${STATE}` },
    ]) {
      const scene = await begun(options);
      const { state } = await call(scene, scene.token(), "search");
      const { verifier, resource } = scene;
      const tools = { search: { actions: ["read"], datatypes: ["internal"] } } as const;
      const anew = createMcpGuard({ verifier, resource, issuer: ISSUER, tools, ...options });
      const handler = ASKING.serve(() => undefined);
      const post = async (message: unknown, headers: Record<string, string> = {}) =>
        anew.fetch(
          new Request(resource, {
            method: "POST",
            headers: { "content-type": "application/json", accept: "application/json, text/event-stream", ...headers },
            body: JSON.stringify(message),
          }),
          handler.fetch,
        );
      expect((await call({ ...scene, post }, scene.token(), "search", state)).text).toContain(is);
    }
  });
});

test("a secret that is too short for sealing is refused", async () => {
  await expect(begun({ requestStateSecret: new Uint8Array(31) })).rejects.toMatchObject({
    code: "INVALID_FIELD",
    metadata: { field: "requestStateSecret" },
  });
});
