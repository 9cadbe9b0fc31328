import { describe, expect, test, vi } from "vitest";
import { guardedServer, STEP_ID, searchGrant, withToken } from "./scene.ts";

const MODERN = { mode: { pin: "2026-07-28" } } as const;

describe.for([
  { era: "2025", negotiation: undefined },
  { era: "2026", negotiation: MODERN },
])("a client of the $era protocol with the token of a step", ({ negotiation }) => {
  test("calls what the step was granted, and the handler learns which step it is, without its token", async () => {
    const scene = await guardedServer();
    const token = scene.token();
    const client = await scene.client(withToken(token), negotiation);
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain("search");
    const result = await client.callTool({ name: "search", arguments: { query: "x" } });
    expect(result.content).toEqual([{ type: "text", text: `search for ${STEP_ID}` }]);
    const [call] = scene.calls;
    expect(call?.context.http?.authInfo).toMatchObject({
      token: "",
      clientId: "spiffe://example.org/agent/researcher",
      scopes: ["mcp:tool:search"],
      extra: { step: { stepId: STEP_ID, runId: "r1", step: "search", attempt: 1 } },
    });
    const headers = [...(call?.context.http?.req?.headers ?? [])].flat().join();
    expect(headers).not.toContain(token.slice(-40));
    expect(JSON.stringify(call?.context.http?.authInfo)).not.toContain(token.slice(-40));
  });

  test("is refused a tool that the step was not granted, and its handler is not called", async () => {
    const scene = await guardedServer();
    const client = await scene.client(withToken(scene.token()), negotiation);
    await expect(client.callTool({ name: "erase" })).rejects.toThrow();
    expect(scene.calls).toEqual([]);
  });

  test.for(["wait", "stream"])("sees its call of %s stopped when the step ends", async (name) => {
    const scene = await guardedServer();
    const client = await scene.client(withToken(scene.token()), negotiation);
    const begun = scene.called();
    const call = client.callTool({ name }, { onprogress: () => undefined }).catch((thrown: unknown) => thrown);
    const context = await begun;
    await scene.endStep();
    const thrown = (await call) as Error;
    expect(thrown).toBeInstanceOf(Error);
    expect(JSON.stringify([thrown.message, { ...thrown }])).toContain("STEP_CLOSED");
    await vi.waitFor(() => expect(context.mcpReq.signal.aborted).toBe(true));
  });

  test("is refused everything once the step has ended", async () => {
    const scene = await guardedServer();
    const client = await scene.client(withToken(scene.token()), negotiation);
    await scene.endStep();
    await expect(client.callTool({ name: "search" })).rejects.toThrow(/STEP_CLOSED/);
    await expect(client.listTools()).rejects.toThrow(/STEP_CLOSED/);
  });
});

describe("a guarded server", () => {
  test("holds a wildcard grant to its other members", async () => {
    const scene = await guardedServer();
    const client = await scene.client(withToken(scene.token(searchGrant(scene.resource, "*"))));
    expect((await client.callTool({ name: "search" })).isError).not.toBe(true);
    await expect(client.callTool({ name: "erase" })).rejects.toThrow();
    await expect(client.callTool({ name: "hidden" })).rejects.toMatchObject({ data: { reason: "TOOL_UNDECLARED" } });
  });
});
