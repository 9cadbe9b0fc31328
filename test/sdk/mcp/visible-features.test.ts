import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { guardedServerOf, LINE_2, OTHER_METHODS_AND_LISTEN, type Scene, type SdkLine, searchGrant } from "./scene.ts";
import { SDK_LINES } from "./sdk-lines.ts";
import { INITIALIZE, sessionServer } from "./session-line.ts";

const _meta = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
};

type Result = {
  readonly tools?: readonly { readonly name: string }[];
  readonly capabilities?: object;
  readonly cacheScope?: string;
};

async function resultOf(response: Response): Promise<Result> {
  const text = await response.text();
  const message = JSON.parse(text.startsWith("{") ? text : text.replace(/^[\s\S]*?data: /, ""));
  return message.result;
}

function ask(scene: Pick<Scene, "post" | "token">, method: string, modern: boolean, claims = {}): Promise<Response> {
  const params = method === "initialize" ? INITIALIZE.params : {};
  const message = { jsonrpc: "2.0", id: 7, method, params: { ...params, ...(modern && { _meta }) } };
  const headers = modern && { "mcp-protocol-version": "2026-07-28", "mcp-method": method };
  return scene.post(message, { authorization: `Bearer ${scene.token(claims)}`, ...headers });
}

const namesOf = ({ tools }: Result) => tools?.map(({ name }) => name);

describe.for(SDK_LINES)("tools/list of a server of the MCP SDK $version", ({ line }) => {
  test.for([
    { granted: "search", shown: ["search"] },
    { granted: "*", shown: ["search", "wait", "stream"] },
    { granted: "hidden", shown: [] },
  ])("shows a step that was granted $granted no more than it may call", async ({ granted, shown }) => {
    const scene = await guardedServerOf(line);
    const response = await ask(scene, "tools/list", false, searchGrant(scene.resource, granted));
    expect(response.status).toBe(200);
    expect(namesOf(await resultOf(response))).toEqual(shown);
  });
});

test("tools/list shows a step nothing of what it may do elsewhere, or not to these data", async () => {
  const scene = await guardedServerOf(LINE_2);
  const [element] = searchGrant(scene.resource, "*")["authorization_details"] as [object];
  for (const change of [{ locations: ["https://else.example.org/mcp"] }, { datatypes: ["public"] }]) {
    const claims = { authorization_details: [{ ...element, ...change }], scope: undefined };
    expect(namesOf(await resultOf(await ask(scene, "tools/list", false, claims)))).toEqual([]);
  }
});

test("tools/list in a session is filtered too", async () => {
  const scene = await sessionServer();
  const session = await scene.session(scene.token(searchGrant(scene.resource, "ask")));
  const response = await scene.post({ jsonrpc: "2.0", id: 7, method: "tools/list" }, session);
  expect(namesOf(await resultOf(response))).toEqual(["ask"]);
});

/** A server with whatever a server can have, which lets anybody keep its lists. */
const FULL: SdkLine<unknown> = {
  createGuard: LINE_2.createGuard,
  serve: () =>
    createMcpHandler(() => {
      const capabilities = { logging: {}, completions: {}, resources: { subscribe: true, listChanged: true } };
      const cacheHints = { "tools/list": { ttlMs: 60_000, cacheScope: "public" as const } };
      const server = new McpServer({ name: "guarded", version: "1" }, { capabilities, cacheHints });
      server.registerTool("search", { inputSchema: z.object({}) }, () => ({ content: [] }));
      server.registerResource("r", "file:///r", {}, () => ({ contents: [] }));
      server.registerPrompt("p", {}, () => ({ messages: [] }));
      return server;
    }),
};

test("a filtered list is for nobody else to keep", async () => {
  const scene = await guardedServerOf(FULL);
  expect(await resultOf(await ask(scene, "tools/list", true))).toMatchObject({ cacheScope: "private", ttlMs: 60_000 });
});

test.for([
  { accepted: "tools/list", method: "tools/list", params: {}, sees: null },
  { accepted: "tools/call", method: "tools/call", params: { name: "search" }, sees: "gzip" },
])("a server may encode what the guard does not look at: $accepted", async ({ method, params, sees }) => {
  const scene = await guardedServerOf(FULL);
  const seen: unknown[] = [];
  const request = new Request(scene.resource, {
    method: "POST",
    headers: {
      authorization: `Bearer ${scene.token()}`,
      "content-type": "application/json",
      "accept-encoding": "gzip",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 7, method, params }),
  });
  await scene.guard.fetch(request, async ({ headers }) => {
    seen.push(headers.get("accept-encoding"));
    return Response.json({});
  });
  expect(seen).toEqual([sees]);
});

describe("what a server can do", () => {
  const all = [...OTHER_METHODS_AND_LISTEN, "resources/*", "prompts/get", "completion/complete", "logging/setLevel"];
  const quiet = { tools: {}, resources: {}, prompts: {}, completions: {}, logging: {} };
  test.for([
    { asked: "initialize", modern: false, otherMethods: undefined, shown: { tools: {} } },
    { asked: "initialize", modern: false, otherMethods: all, shown: quiet },
    { asked: "server/discover", modern: true, otherMethods: undefined, shown: { tools: {}, logging: {} } },
    {
      asked: "server/discover",
      modern: true,
      otherMethods: all,
      shown: {
        ...quiet,
        tools: { listChanged: true },
        resources: { listChanged: true, subscribe: true },
        prompts: { listChanged: true },
      },
    },
  ])("is by $asked as much as the guard lets through: $shown", async ({ asked, modern, otherMethods, shown }) => {
    const scene = await guardedServerOf(FULL, otherMethods && { otherMethods });
    const { capabilities } = await resultOf(await ask(scene, asked, modern));
    expect(capabilities).toEqual(shown);
  });
});
