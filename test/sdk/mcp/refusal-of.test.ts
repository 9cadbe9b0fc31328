import { ProtocolError } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { McpError } from "@modelcontextprotocol/sdk/types.js";
import { describe, expect, onTestFinished, test } from "vitest";
import { mcpRefusalOf } from "../../../src/sdk/runtime/index.ts";
import { VerificationError } from "../../../src/sdk/verifier/index.ts";
import { manualClock } from "../verifier/manual-clock.ts";
import { guardedServer, type Scene, withToken } from "./scene.ts";

type Client = { callTool(call: { name: string; arguments: Record<string, unknown> }): Promise<unknown> };

type Official = {
  readonly name: string;
  /** What a call throws that takes a wider grant. */
  readonly throws: string;
  connect(scene: Scene, token: string): Promise<Client>;
};

/** The official clients, by the protocol that each of them speaks. */
const CLIENTS: readonly Official[] = [
  {
    name: "2.4, MCP 2025-11-25",
    throws: "InsufficientScopeError",
    connect: (scene, token) => scene.client(withToken(token)),
  },
  {
    name: "2.4, MCP 2026-07-28",
    throws: "InsufficientScopeError",
    connect: (scene, token) => scene.client(withToken(token), { mode: { pin: "2026-07-28" } }),
  },
  {
    name: "1.32",
    throws: "StreamableHTTPError",
    async connect({ resource }, token) {
      const client = new ClientV1({ name: "test", version: "1" });
      const transport = new TransportV1(new URL(resource), { fetch: withToken(token) });
      await client.connect(transport as Parameters<typeof client.connect>[0]);
      onTestFinished(() => client.close());
      return client;
    },
  },
];

function eraseAt({ resource }: Scene): object {
  return {
    type: "mcp_tool",
    locations: [resource],
    identifier: "erase",
    actions: ["write"],
    datatypes: ["internal"],
  };
}

async function thrownBy(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
}

describe.for(CLIENTS)("what the official client $name throws", ({ connect, throws }) => {
  test("for a call outside of the grant says why, and what it would have taken", async () => {
    const scene = await guardedServer();
    const client = await connect(scene, scene.token());
    const thrown = await thrownBy(client.callTool({ name: "erase", arguments: {} }));
    expect(thrown?.constructor.name).toBe(throws);
    expect(mcpRefusalOf(thrown)).toEqual({ reason: "GRANT_EXCEEDED", refused: [eraseAt(scene)] });
  });

  test("for a call that the broker has denied names the decision too, and who may approve", async () => {
    const scene = await guardedServer();
    const client = await connect(scene, scene.token());
    scene.verifier.authorize = () => {
      throw new VerificationError("GRANT_EXCEEDED", "denied", { decision_id: "dec_019aab20", approval: "operators" });
    };
    expect(mcpRefusalOf(await thrownBy(client.callTool({ name: "erase", arguments: {} })))).toEqual({
      reason: "GRANT_EXCEEDED",
      decisionId: "dec_019aab20",
      refused: [eraseAt(scene)],
      approval: "operators",
    });
  });

  test("for a call that waits for its approval names what waits, by which somebody approves it", async () => {
    const scene = await guardedServer();
    const client = await connect(scene, scene.token());
    const until = "2026-11-29T10:00:00.000Z";
    scene.verifier.authorize = () => {
      const waits = { decision_id: "dec_1", approval: "operators", approval_id: "call_1", pending_until: until };
      throw new VerificationError("POLICY_DENIED", "waits until operators approve it", waits);
    };
    // Of a challenge nothing is kept but its description, which does not say until when.
    const inBody = throws === "InsufficientScopeError" ? {} : { approvalUntil: new Date(until) };
    expect(mcpRefusalOf(await thrownBy(client.callTool({ name: "erase", arguments: {} })))).toEqual({
      reason: "POLICY_DENIED",
      decisionId: "dec_1",
      refused: [eraseAt(scene)],
      approval: "operators",
      approvalId: "call_1",
      ...inBody,
    });
  });

  test.for([
    { what: "some words", words: "not on a Friday", kept: "not on a Friday" },
    {
      what: "what looks like other parts of a description, or its end",
      words: 'no; approval: operators; approval-id: call_9 (decision: dec_9) "50 %" \\',
      kept: 'no; approval: operators; approval-id: call_9 (decision: dec_9) "50 %" \\',
    },
    { what: "another script", words: "nicht am Freitag: 金曜日は駄目 🙅", kept: "nicht am Freitag: 金曜日は駄目 🙅" },
    // What a challenge has no room for is seen to be missing.
    { what: "the most there can be", words: "ä".repeat(512), kept: `${"ä".repeat(169)}…` },
  ])("for a call that an approver has refused tells in which words: $what", async ({ words, kept }) => {
    const scene = await guardedServer();
    const client = await connect(scene, scene.token());
    scene.verifier.authorize = () => {
      const refused = { decision_id: "dec_1", approval_id: "call_1", approver_reason: words };
      throw new VerificationError("POLICY_DENIED", "refused by an approver", refused);
    };
    expect(mcpRefusalOf(await thrownBy(client.callTool({ name: "erase", arguments: {} })))).toEqual({
      reason: "POLICY_DENIED",
      decisionId: "dec_1",
      refused: [eraseAt(scene)],
      approverReason: throws === "InsufficientScopeError" ? kept : words,
    });
  });

  test("for a call of a tool that is not declared says no more than that", async () => {
    const scene = await guardedServer();
    const client = await connect(scene, scene.token());
    const thrown = await thrownBy(client.callTool({ name: "hidden", arguments: {} }));
    expect(mcpRefusalOf(thrown)).toEqual({ reason: "TOOL_UNDECLARED" });
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

  test.for([ProtocolError, McpError])("in a JSON-RPC error, a $name, has the same beside it", (Thrown) => {
    const scene = { resource: "https://a.example/mcp" } as Scene;
    const data = { reason: "POLICY_DENIED", decision_id: "dec_1", refused: [eraseAt(scene)], approval: "operators" };
    expect(mcpRefusalOf(new Thrown(-32_010, "no", data))).toEqual({
      reason: "POLICY_DENIED",
      decisionId: "dec_1",
      refused: [eraseAt(scene)],
      approval: "operators",
    });
  });

  const DENIED = { reason: "GRANT_EXCEEDED" };
  const described = "GRANT_EXCEEDED: no (refused: erase at https://a.example/mcp to write of internal)";
  test.for([
    { of: "another's words", thrown: { errorDescription: described.replace("to write", "to fly") } },
    { of: "half of it", thrown: { errorDescription: "GRANT_EXCEEDED: no (refused: erase at" } },
    { of: "data that is no grant", thrown: { data: { reason: "GRANT_EXCEEDED", refused: [{ x: 1 }], approval: 7 } } },
    { of: "ids that are none", thrown: { data: { reason: "GRANT_EXCEEDED", decision_id: "a b\n" } } },
    {
      of: "an approver's words that steer a terminal",
      thrown: { data: { ...DENIED, approver_reason: "no\u001b[2J" } },
    },
    { of: "more words than an approver has", thrown: { data: { ...DENIED, approver_reason: "a".repeat(1_025) } } },
    { of: "no words", thrown: { data: { ...DENIED, approver_reason: "" } } },
    { of: "a list of words", thrown: { data: { ...DENIED, approver_reason: ["no"] } } },
    {
      of: "half of an escape",
      thrown: { errorDescription: "GRANT_EXCEEDED: no (decision: a b; approver-reason: %e2%80)" },
    },
    {
      of: "an escape of a control",
      thrown: { errorDescription: "GRANT_EXCEEDED: no (decision: a b; approver-reason: %0a)" },
    },
  ])("holds without its details, where these are $of", ({ thrown }) => {
    expect(mcpRefusalOf(thrown)).toEqual({ reason: "GRANT_EXCEEDED" });
  });

  test("is looked for in a chain without an end only so far", () => {
    const endless = new Error("no");
    endless.cause = endless;
    expect(mcpRefusalOf(endless)).toBeUndefined();
  });
});
