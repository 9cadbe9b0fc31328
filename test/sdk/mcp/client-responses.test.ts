import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { describe, expect, onTestFinished, test } from "vitest";
import { withToken } from "./scene.ts";
import { sessionServer, stepClaims } from "./session-line.ts";

const ASK = { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "ask", arguments: {} } };

/** The events of a stream, one by one. */
async function* eventsOf(response: Response): AsyncGenerator<{ readonly id?: unknown; readonly method?: string }> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    const events = text.split("\n\n");
    text = events.pop() ?? "";
    for (const event of events) yield JSON.parse(event.replace(/^[\s\S]*?data: /, ""));
  }
}

test("a client of the official SDK answers what a tool asks it", async () => {
  const scene = await sessionServer();
  const client = new Client({ name: "test", version: "1" }, { capabilities: { elicitation: {} } });
  client.setRequestHandler(ElicitRequestSchema, async () => ({ action: "decline" }));
  const transport = new StreamableHTTPClientTransport(new URL(scene.resource), { fetch: withToken(scene.token()) });
  await client.connect(transport as Parameters<typeof client.connect>[0]);
  onTestFinished(() => client.close());
  expect((await client.callTool({ name: "ask" })).content).toEqual([{ type: "text", text: "decline" }]);
});

describe("a JSON-RPC response", () => {
  test.for([
    { what: "a result", answer: { result: { action: "accept", content: {} } }, said: '"text":"accept"' },
    { what: "an error", answer: { error: { code: -32_601, message: "not here" } }, said: "not here" },
  ])("with $what is passed on in the session of its step, and answered 202", async ({ answer, said }) => {
    const scene = await sessionServer();
    const session = await scene.session(scene.token());
    const events = eventsOf(await scene.post(ASK, session));
    const asked = (await events.next()).value;
    expect(asked).toMatchObject({ method: "elicitation/create" });
    const passed = await scene.post({ jsonrpc: "2.0", id: asked?.id, ...answer }, session);
    expect([passed.status, await passed.text()]).toEqual([202, ""]);
    expect(JSON.stringify((await events.next()).value)).toContain(said);
  });

  test.for([
    { what: "without a session", session: {}, status: 400 },
    { what: "in another step's session", claims: stepClaims("r1", "other"), status: 404 },
    { what: "without an id", id: undefined, status: 400 },
    { what: "with an error and a result", error: { code: 1, message: "x" }, status: 400 },
    { what: "with an error that is none", result: undefined, error: { code: "x" }, status: 400 },
    { what: "with a result that is no object", result: [1], status: 400 },
    { what: "with neither", result: undefined, status: 400 },
  ])("$what is answered $status, and answers nothing", async ({ claims, session, status, what: _what, ...parts }) => {
    const scene = await sessionServer();
    const own = await scene.session(scene.token());
    const events = eventsOf(await scene.post(ASK, own));
    const asked = (await events.next()).value;
    const headers = { ...own, authorization: `Bearer ${scene.token(claims)}` };
    if (session !== undefined) Reflect.deleteProperty(headers, "mcp-session-id");
    const bad = { jsonrpc: "2.0", id: asked?.id, result: { action: "accept" }, ...parts };
    expect((await scene.post(bad, headers)).status).toBe(status);
    await scene.post({ jsonrpc: "2.0", id: asked?.id, result: { action: "cancel" } }, own);
    expect(JSON.stringify((await events.next()).value)).toContain('"text":"cancel"');
  });

  test("of a step that has ended is refused like all else of it", async () => {
    const scene = await sessionServer();
    const session = await scene.session(scene.token());
    await scene.endStep();
    expect((await scene.post({ jsonrpc: "2.0", id: 0, result: {} }, session)).status).toBe(401);
  });
});
