import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Client } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { mcpRefusalOf } from "../../src/sdk/runtime/mcp-refusal.ts";
import { runStint } from "../cli/running.ts";
import { type GuardScene, guardScene, RESOURCE } from "./guard-scene.ts";

const READ = { actions: ["read"], datatypes: ["internal"] };

type Tool = { readonly name: string; readonly description: string; readonly annotations?: object };
type Message = {
  readonly id?: unknown;
  readonly method: string;
  readonly params?: { readonly cursor?: string; readonly name?: string };
};

/** A server whose tools the test changes, a page for each list of them. */
type ChangingServer = {
  readonly url: string;
  readonly server: Server;
  readonly methods: string[];
  pages: readonly (readonly Tool[])[];
};

async function changingServer(): Promise<ChangingServer> {
  const methods: string[] = [];
  const state: { pages: readonly (readonly Tool[])[] } = { pages: [] };
  function resultOf({ method, params = {} }: Message): object {
    if (method === "initialize") {
      return {
        protocolVersion: "2025-11-25",
        capabilities: { tools: {} },
        serverInfo: { name: "changing", version: "1" },
      };
    }
    if (method === "tools/call") return { content: [{ type: "text", text: `called ${params.name}` }] };
    const page = Number(params.cursor ?? 0);
    const tools = (state.pages[page] ?? []).map((tool) => ({ ...tool, inputSchema: { type: "object" } }));
    return { tools, ...(page + 1 < state.pages.length && { nextCursor: String(page + 1) }) };
  }
  const server = createServer(async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk as Uint8Array);
    if (request.method !== "POST") return void response.writeHead(405).end();
    const message = JSON.parse(Buffer.concat(chunks).toString()) as Message;
    methods.push(message.method);
    if (message.id === undefined) return void response.writeHead(202).end();
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result: resultOf(message) }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(state, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    server,
    methods,
  });
}

describe("a guard in front of a server that changes its tools", () => {
  let scene: GuardScene;
  let upstream: ChangingServer;
  beforeAll(async () => {
    scene = await guardScene();
    upstream = await changingServer();
  });
  afterAll(async () => {
    upstream?.server.closeAllConnections();
    upstream?.server.close();
    await scene?.close();
  });
  beforeEach(() => void upstream.methods.splice(0));

  async function refusedBy(client: Client, name: string): Promise<string | undefined> {
    try {
      await client.callTool({ name, arguments: {} });
      return "accepted";
    } catch (thrown) {
      return mcpRefusalOf(thrown)?.reason;
    }
  }

  /** Tools that no other test has: what is pinned stays pinned. */
  let tests = 0;
  const names = () => {
    tests += 1;
    return { search: `search-${tests}`, erase: `erase-${tests}` };
  };
  const guardOf = (tools: readonly string[], own: object = {}) =>
    scene.guard({
      upstream: { url: upstream.url },
      tools: Object.fromEntries(tools.map((name) => [name, READ])),
      ...own,
    });
  const stint = (...args: readonly string[]) =>
    runStint(["--operator-socket", scene.daemon.operatorSocket, "-o", "json", ...args]);
  const shown = async (name: string) =>
    JSON.parse((await stint("tool", "show", RESOURCE, name)).out) as {
      readonly state: string;
      readonly newest_sha256: string;
      readonly differences: readonly object[];
    };

  test("serves a tool as it is pinned, hides and refuses it as it is not, and serves it again once that is accepted", async () => {
    const { search } = names();
    upstream.pages = [[{ name: search, description: "Finds books." }]];
    const guard = await guardOf([search]);
    const step = await scene.step(search);
    const client = await scene.client(step, guard);
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual([search]);
    await client.callTool({ name: search, arguments: {} });
    expect(await shown(search)).toMatchObject({ state: "PINNED" });
    const bound = await scene.client(await scene.step(search), guard);
    expect(await refusedBy(bound, search)).toBe("accepted");

    upstream.pages = [[{ name: search, description: "Finds books.\u200b" }]];
    expect((await client.listTools()).tools).toEqual([]);
    expect(await refusedBy(client, search)).toBe("TOOL_NOT_ACCEPTED");
    await bound.listTools();
    expect(await refusedBy(bound, search)).toBe("TOOL_NOT_ACCEPTED");
    await guard.said(`"${search}" is defined otherwise than it is pinned`);
    const { state, newest_sha256: sha256, differences } = await shown(search);
    expect([state, differences]).toEqual([
      "CHANGED",
      [{ member: "/description", was: "Finds books.", is: "Finds books.\u200b" }],
    ]);

    await stint("tool", "accept", RESOURCE, search, sha256, "--reason", "a space, no more");
    await client.listTools();
    await expect.poll(() => refusedBy(client, search)).toBe("accepted");
    // What the other step was granted is for the definition of before.
    await bound.listTools();
    expect(await refusedBy(bound, search)).toBe("GRANT_EXCEEDED");
    const next = await scene.client(await scene.step(search), guard);
    expect((await next.listTools()).tools.map(({ name }) => name)).toEqual([search]);
    await next.callTool({ name: search, arguments: {} });
  });

  test("refuses a changed tool to a step that may call any tool, and says what to do", async () => {
    const { search } = names();
    upstream.pages = [[{ name: search, description: "old" }]];
    const guard = await guardOf([search]);
    const client = await scene.client(await scene.step("*"), guard);
    await client.callTool({ name: search, arguments: {} });
    upstream.pages = [[{ name: search, description: "new" }]];
    await client.listTools();
    const thrown: unknown = await client.callTool({ name: search, arguments: {} }).catch((error: unknown) => error);
    expect(mcpRefusalOf(thrown)).toMatchObject({ reason: "TOOL_NOT_ACCEPTED", refused: [{ identifier: search }] });
    expect(String((thrown as { readonly errorDescription?: string }).errorDescription)).toContain(
      `stint tool show ${RESOURCE} ${search}`,
    );
    expect(upstream.methods.filter((method) => method === "tools/call")).toHaveLength(1);
  });

  test("looks at the server's list by itself before the first call, every page of it", async () => {
    const { search, erase } = names();
    upstream.pages = [[{ name: erase, description: "one" }], [{ name: search, description: "other" }]];
    const guard = await guardOf([search, erase]);
    const client = await scene.client(await scene.step("*"), guard);
    await client.callTool({ name: search, arguments: {} });
    expect(upstream.methods.filter((method) => method.startsWith("tools/"))).toEqual([
      "tools/list",
      "tools/list",
      "tools/call",
    ]);
    expect(await shown(erase)).toMatchObject({ state: "PINNED" });
  });

  test("calls no tool that the server does not list", async () => {
    const { search, erase } = names();
    upstream.pages = [[{ name: search, description: "one" }]];
    const guard = await guardOf([search, erase]);
    const client = await scene.client(await scene.step("*"), guard);
    const thrown: unknown = await client.callTool({ name: erase, arguments: {} }).catch((error: unknown) => error);
    expect(mcpRefusalOf(thrown)).toMatchObject({ reason: "TOOL_NOT_ACCEPTED" });
    expect(upstream.methods).not.toContain("tools/call");
  });

  test("takes what the server says of a tool for its first call too", async () => {
    const { erase } = names();
    upstream.pages = [[{ name: erase, description: "erases", annotations: { destructiveHint: true } }]];
    for (const own of [{}, { pin_tools: false }]) {
      const guard = await guardOf([erase], own);
      const reading = await scene.client(await scene.step(erase), guard);
      const thrown: unknown = await reading.callTool({ name: erase, arguments: {} }).catch((error: unknown) => error);
      expect(mcpRefusalOf(thrown)).toMatchObject({
        reason: "GRANT_EXCEEDED",
        refused: [{ actions: ["read", "write"] }],
      });
      const writing = await scene.client(await scene.writingStep(erase), guard);
      await writing.callTool({ name: erase, arguments: {} });
    }
  });

  test("two of them are told apart by what each is shown", async () => {
    const { search } = names();
    upstream.pages = [[{ name: search, description: "old" }]];
    const [first, second] = [await guardOf([search]), await guardOf([search])];
    const [ada, bob] = [
      await scene.client(await scene.step("*"), first),
      await scene.client(await scene.step("*"), second),
    ];
    await ada.callTool({ name: search, arguments: {} });
    upstream.pages = [[{ name: search, description: "new" }]];
    expect((await bob.listTools()).tools).toEqual([]);
    await ada.callTool({ name: search, arguments: {} });
    expect((await ada.listTools()).tools).toEqual([]);
  });

  test("without pins serves whatever the server shows, and reports nothing", async () => {
    const { search } = names();
    upstream.pages = [[{ name: search, description: "old" }]];
    const guard = await guardOf([search], { pin_tools: false });
    const client = await scene.client(await scene.step(search), guard);
    await client.callTool({ name: search, arguments: {} });
    upstream.pages = [[{ name: search, description: "new" }]];
    expect((await client.listTools()).tools).toHaveLength(1);
    await client.callTool({ name: search, arguments: {} });
    expect((await stint("tool", "show", RESOURCE, search)).status).toBe(1);
  });
});
