import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { guardedServer, guardedServerOf, LINE_2, type SdkLine } from "./scene.ts";

const _meta = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
};

function callOf(name: string, given: object = {}): object {
  return { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name, arguments: given, _meta } };
}

function headersOf(token: string, name: string): Record<string, string> {
  const standard = { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": name };
  return { authorization: `Bearer ${token}`, ...standard };
}

function base64Of(text: string): string {
  return `=?base64?${Buffer.from(text).toString("base64")}?=`;
}

describe("the header Mcp-Name in its encoded form", () => {
  test.for([
    { header: base64Of("search"), tool: "search", status: 200 },
    { header: base64Of("erase"), tool: "search", status: 400 },
    { header: base64Of("search"), tool: base64Of("search"), status: 400 },
    { header: "=?base64?%?=", tool: "=?base64?%?=", status: 400 },
  ])("$header for $tool is answered $status", async ({ header, tool, status }) => {
    const scene = await guardedServer();
    expect((await scene.post(callOf(tool), headersOf(scene.token(), header))).status).toBe(status);
  });

  test("says in which scope there is a token, where there is none", async () => {
    const scene = await guardedServer();
    const headers = { "mcp-method": "tools/call", "mcp-name": base64Of("search") };
    const challenge = (await scene.post(callOf("search"), headers)).headers.get("www-authenticate");
    expect(challenge).toContain('scope="mcp:tool:search"');
  });
});

/** A tool of which a proxy can see what it is called with. */
const MIRRORING: SdkLine<unknown> = {
  createGuard: LINE_2.createGuard,
  serve: (begin) =>
    createMcpHandler(() => {
      const server = new McpServer({ name: "guarded", version: "1" });
      const inputSchema = z.object({ query: z.string().meta({ "x-mcp-header": "Query" }) });
      server.registerTool("search", { inputSchema }, ({ query }) => {
        begin(query, undefined);
        return { content: [] };
      });
      return server;
    }),
};

describe("a header Mcp-Param in its encoded form", () => {
  test.for([
    { header: base64Of("Käuze"), status: 200, calls: ["Käuze"] },
    { header: base64Of("Eulen"), status: 400, calls: [] },
    { header: "=?base64?%?=", status: 400, calls: [] },
  ])("$header is answered $status", async ({ header, status, calls }) => {
    const scene = await guardedServerOf(MIRRORING);
    const headers = { ...headersOf(scene.token(), "search"), "mcp-param-query": header };
    const response = await scene.post(callOf("search", { query: "Käuze" }), headers);
    expect([response.status, scene.calls.map(({ tool }) => tool)]).toEqual([status, calls]);
    if (status !== 200) expect(await response.json()).toMatchObject({ error: { code: -32_020 } });
  });

  test("that can't be read is refused whatever the server makes of it", async () => {
    const scene = await guardedServer();
    const headers = { ...headersOf(scene.token(), "search"), "mcp-param-other": "=?base64?%?=" };
    const response = await scene.post(callOf("search"), headers);
    expect([response.status, await response.json()]).toEqual([
      400,
      {
        jsonrpc: "2.0",
        id: 7,
        error: {
          code: -32_020,
          message: "a header Mcp-Param must be text, or Base64 of UTF-8 in its frame",
          data: { reason: "HEADER_MISMATCH" },
        },
      },
    ]);
  });
});

describe("what no token could mend", () => {
  const modern = { "mcp-protocol-version": "2026-07-28" };
  test.for([
    { what: "a refused method", method: "resources/list", wire: "2026-07-28", status: 404, code: -32_601 },
    { what: "a refused method", method: "resources/list", wire: "2025-11-25", status: 200, code: -32_601 },
    { what: "a method that nobody knows", method: "a/b", wire: "2026-07-28", status: 404, code: -32_601 },
    { what: "a method that nobody knows", method: "a/b", wire: "2025-11-25", status: 200, code: -32_601 },
    { what: "an undeclared tool", method: "tools/call", wire: "2026-07-28", status: 200, code: -32_602 },
    { what: "an undeclared tool", method: "tools/call", wire: "2025-11-25", status: 200, code: -32_602 },
  ])("$what ($method) is an answer on the wire of $wire: $status, $code", async ({ method, wire, status, code }) => {
    const scene = await guardedServer();
    const isModern = wire === "2026-07-28";
    const params = { name: "hidden", arguments: {}, ...(isModern && { _meta }) };
    const headers = { ...(isModern && { ...modern, "mcp-method": method, "mcp-name": "hidden" }) };
    const message = { jsonrpc: "2.0", id: 7, method, params };
    const response = await scene.post(message, { authorization: `Bearer ${scene.token()}`, ...headers });
    expect([response.status, response.headers.get("content-type")]).toEqual([status, "application/json"]);
    expect(await response.json()).toMatchObject({ id: 7, error: { code } });
    expect(scene.calls).toEqual([]);
  });

  test.for([
    { wire: "2026-07-28", headers: modern, status: 404 },
    { wire: "2025-11-25", headers: {}, status: 400 },
  ])("a refused notification, which has no answer, is $status on the wire of $wire", async ({ headers, status }) => {
    const scene = await guardedServer({ otherMethods: ["ping"] });
    const message = { jsonrpc: "2.0", method: "notifications/initialized" };
    const response = await scene.post(message, { authorization: `Bearer ${scene.token()}`, ...headers });
    expect(response.status).toBe(status);
  });
});
