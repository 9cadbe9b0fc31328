import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { describe, expect, onTestFinished, test } from "vitest";
import { mcpRefusalOf } from "../../../src/sdk/runtime/index.ts";
import { manualClock } from "../verifier/manual-clock.ts";
import { guardedServer, type Scene, withToken } from "./scene.ts";

type Client = { callTool(call: { name: string; arguments: Record<string, unknown> }): Promise<unknown> };

/** The official clients, by the protocol that each of them speaks. */
const CLIENTS: readonly { readonly name: string; connect(scene: Scene, token: string): Promise<Client> }[] = [
  { name: "2.4, MCP 2025-11-25", connect: (scene, token) => scene.client(withToken(token)) },
  {
    name: "2.4, MCP 2026-07-28",
    connect: (scene, token) => scene.client(withToken(token), { mode: { pin: "2026-07-28" } }),
  },
  {
    name: "1.32",
    async connect({ resource }, token) {
      const client = new ClientV1({ name: "test", version: "1" });
      const transport = new TransportV1(new URL(resource), { fetch: withToken(token) });
      await client.connect(transport as Parameters<typeof client.connect>[0]);
      onTestFinished(() => client.close());
      return client;
    },
  },
];

async function thrownBy(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
}

describe.for(CLIENTS)("what the official client $name throws", ({ connect }) => {
  test.for([
    { tool: "erase", refusal: { reason: "GRANT_EXCEEDED" } },
    { tool: "hidden", refusal: { reason: "TOOL_UNDECLARED" } },
  ])("for a refused call of $tool says why: $refusal.reason", async ({ tool, refusal }) => {
    const scene = await guardedServer();
    const client = await connect(scene, scene.token());
    expect(mcpRefusalOf(await thrownBy(client.callTool({ name: tool, arguments: {} })))).toEqual(refusal);
  });

  test("says that the step has ended, and how", async () => {
    const scene = await guardedServer();
    const client = await connect(scene, scene.token());
    await scene.endStep();
    const thrown = await thrownBy(client.callTool({ name: "search", arguments: {} }));
    expect(mcpRefusalOf(thrown)).toEqual({ reason: "STEP_CLOSED", state: "COMPLETED" });
  });

  test.for(["wait", "stream"])("says it of a call of %s that was under way", async (name) => {
    const scene = await guardedServer();
    const client = await connect(scene, scene.token());
    const begun = scene.called();
    const thrown = thrownBy(client.callTool({ name, arguments: {} }));
    await begun;
    await scene.endStep();
    expect(mcpRefusalOf(await thrown)).toEqual({ reason: "STEP_CLOSED", state: "COMPLETED" });
  });

  test("says that the server cannot tell", async () => {
    const clock = manualClock(Date.now());
    const scene = await guardedServer({ clock });
    const client = await connect(scene, scene.token());
    scene.silence();
    clock.suspend(61_000);
    const thrown = await thrownBy(client.callTool({ name: "search", arguments: {} }));
    expect(mcpRefusalOf(thrown)).toEqual({ reason: "STALE" });
  });
});

describe("a refusal", () => {
  const body = '{"jsonrpc":"2.0","id":1,"error":{"code":-32010,"message":"no","data":{"reason":"STALE"}}}';
  test.for([
    { in: "what caused an error", thrown: new Error("failed", { cause: { data: { text: body } } }), is: "STALE" },
    { in: "an error's text", thrown: new Error(`Error POSTing to endpoint: ${body}`), is: "STALE" },
    { in: "a word that is none of ours", thrown: { data: { reason: "not today" } }, is: undefined },
    { in: "a description without a word", thrown: { errorDescription: "Mind the gap: please" }, is: undefined },
    { in: "a body that is not JSON", thrown: { data: { text: "{" } }, is: undefined },
    { in: "an ordinary error", thrown: new Error("no"), is: undefined },
    { in: "a text", thrown: "STALE: no", is: undefined },
    { in: "nothing", thrown: undefined, is: undefined },
  ])("in $in is $is", ({ thrown, is }) => {
    expect(mcpRefusalOf(thrown)?.reason).toBe(is);
  });

  test("is looked for in a chain without an end only so far", () => {
    const endless = new Error("no");
    endless.cause = endless;
    expect(mcpRefusalOf(endless)).toBeUndefined();
  });
});
