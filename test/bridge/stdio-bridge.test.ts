import { spawn } from "node:child_process";
import { once } from "node:events";
import { getRequestListener } from "@hono/node-server";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { createMcpHandler, fromJsonSchema, McpServer } from "@modelcontextprotocol/server";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { connectOperator, type Operator } from "../../src/sdk/operator/index.ts";
import { mcpRefusalOf } from "../../src/sdk/runtime/index.ts";
import { runStint } from "../cli/running.ts";
import { STINT } from "../programs.ts";
import { type BridgeScene, bridgeScene } from "./bridge-scene.ts";

/** As long as a client's program may take to start here. */
const START_MS_MAX = 30_000;

let scene: BridgeScene;
let operator: Operator;
let runs = 0;
beforeAll(async () => {
  scene = await bridgeScene();
  operator = connectOperator({ socket: scene.daemon.operatorSocket });
});
afterAll(async () => {
  operator?.close();
  await scene?.close();
});
beforeEach(() => void scene.seen.splice(0));

/** What a client's configuration would say: a command and its arguments. */
function configured(server: string, tools: readonly string[]) {
  runs += 1;
  const runId = `stdio-${runs}`;
  const step = ["--run", runId, "--step", "chat", "--agent", "clerk", "--grant", JSON.stringify(scene.grant(...tools))];
  const bridge = ["bridge", "--stdio", "--server", `${scene.origin}/${server}`, ...step];
  return { runId, command: process.execPath, args: [STINT, "--socket", scene.endpoint, ...bridge] };
}

async function stateOf(runId: string): Promise<string | undefined> {
  const { step } = await operator.steps.get({ by: { case: "name", value: { runId, step: "chat", attempt: 0 } } });
  return step && StepState[step.state];
}

async function client(configuration: ReturnType<typeof configured>, era: "2026-07-28" | "2025-11-25"): Promise<Client> {
  const versionNegotiation = era === "2026-07-28" ? { mode: { pin: era } as const } : { mode: "legacy" as const };
  const made = new Client({ name: "unchanged", version: "1" }, { versionNegotiation });
  await made.connect(new StdioClientTransport({ ...configuration, stderr: "ignore" }), { timeout: START_MS_MAX });
  onTestFinished(() => made.close());
  return made;
}

async function clientV1(configuration: ReturnType<typeof configured>): Promise<ClientV1> {
  const made = new ClientV1({ name: "unchanged", version: "1" });
  await made.connect(new TransportV1({ ...configuration, stderr: "ignore" }), { timeout: START_MS_MAX });
  onTestFinished(() => made.close());
  return made;
}

const LINES = [
  { line: "2.x, revision 2026-07-28", of: (on: ReturnType<typeof configured>) => client(on, "2026-07-28") },
  { line: "2.x, revision 2025-11-25", of: (on: ReturnType<typeof configured>) => client(on, "2025-11-25") },
  { line: "1.x", of: clientV1 },
] satisfies { line: string; of: (on: ReturnType<typeof configured>) => Promise<AnyClient> }[];

type AnyClient = {
  listTools(): Promise<{ readonly tools: readonly { readonly name: string }[] }>;
  callTool(call: { readonly name: string; readonly arguments: Record<string, unknown> }): Promise<unknown>;
  close(): Promise<void>;
};
const textOf = (result: unknown) => (result as { content: readonly { text: string }[] }).content[0]?.text ?? "";

describe.for(LINES)("a client of $line that starts its servers as programs", ({ of }) => {
  test("calls as the step, is told what it may not call, and by its going completes the step", async () => {
    const on = configured("mcp", ["search"]);
    const agent = await of(on);
    expect((await agent.listTools()).tools.map(({ name }) => name)).toEqual(["search"]);
    expect(textOf(await agent.callTool({ name: "search", arguments: { query: "it" } }))).toBe("found it");
    const thrown = await agent.callTool({ name: "erase", arguments: {} }).catch((error: unknown) => error);
    expect(mcpRefusalOf(thrown)).toMatchObject({ reason: "GRANT_EXCEEDED", refused: [{ identifier: "erase" }] });
    await agent.close();
    await vi.waitFor(async () => expect(await stateOf(on.runId)).toBe("COMPLETED"), { timeout: START_MS_MAX });
  });

  test("has its running call ended with the step, and the next one refused for the same reason", async () => {
    const on = configured("mcp", ["wait"]);
    const agent = await of(on);
    const begun = scene.waiting();
    const call = agent.callTool({ name: "wait", arguments: {} }).catch((error: unknown) => error);
    await begun;
    await operator.revocations.revoke({ target: { case: "runId", value: on.runId } });
    expect(mcpRefusalOf(await call)).toMatchObject({ reason: "STEP_CLOSED" });
    const next = await agent.callTool({ name: "wait", arguments: {} }).catch((error: unknown) => error);
    expect(mcpRefusalOf(next)).toMatchObject({ reason: "STEP_CLOSED" });
  });
});

test("a session is kept, with the stream of what its server says unasked, and ended with the client", async () => {
  const agent = await client(configured("sessions", ["search"]), "2025-11-25");
  expect(textOf(await agent.callTool({ name: "search", arguments: {} }))).toBe("found nothing");
  await vi.waitFor(() => expect(scene.seen.map(({ method }) => method)).toContain("GET"), { timeout: START_MS_MAX });
  await agent.close();
  await vi.waitFor(() => expect(scene.seen.at(-1)?.method).toBe("DELETE"), { timeout: START_MS_MAX });
  const sessions = new Set(scene.seen.slice(1).map(({ headers }) => headers["mcp-session-id"]));
  expect([...sessions]).toEqual([expect.any(String)]);
});

test("arguments that a server wants in headers are there too, which this client knows nothing of", async () => {
  const lend = { type: "string", "x-mcp-header": "Shelf" } as const;
  const nested = { type: "object", properties: { "the day": { type: "integer", "x-mcp-header": "Day" } } } as const;
  const inputSchema = { type: "object", properties: { shelf: lend, title: { type: "string" }, due: nested } } as const;
  const serve = getRequestListener((request) =>
    createMcpHandler(() => {
      const server = new McpServer({ name: "lending", version: "1" });
      const answer = { content: [{ type: "text" as const, text: "lent" }] };
      server.registerTool("search", { inputSchema: fromJsonSchema(inputSchema) }, () => answer);
      return server;
    }).fetch(request),
  );
  scene.answer((request, response) => void serve(request, response));
  const made = await client(configured("raw", ["search"]), "2026-07-28");
  await made.listTools();
  const lent = { shelf: "Küste 3", title: "Tides", due: { "the day": 12 } };
  expect(await made.callTool({ name: "search", arguments: lent })).toMatchObject({ content: [{ text: "lent" }] });
  const { headers = {} } = scene.seen.findLast(({ headers: of }) => of["mcp-method"] === "tools/call") ?? {};
  const encoded = `=?base64?${Buffer.from("Küste 3").toString("base64")}?=`;
  expect([headers["mcp-param-shelf"], headers["mcp-param-day"], headers["mcp-param-title"]]).toEqual([
    encoded,
    "12",
    undefined,
  ]);
});

test("a call that its client gives up is stopped at the server", async () => {
  const agent = await client(configured("mcp", ["wait"]), "2026-07-28");
  const begun = scene.waiting();
  const given = new AbortController();
  const call = agent.callTool({ name: "wait", arguments: {} }, { signal: given.signal }).catch(() => "given up");
  const stopped = await begun;
  given.abort();
  expect(await call).toBe("given up");
  if (!stopped.aborted) await once(stopped, "abort");
});

/** By hand, where what is said is not what a client would. */
function speaking(on: ReturnType<typeof configured>) {
  const child = spawn(on.command, on.args, { stdio: ["pipe", "pipe", "ignore"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let text = "";
  const waiting = new Set<() => void>();
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    for (const look of waiting) look();
  });
  /** The first message of which this holds. */
  const heard = (of: (message: { id?: unknown }) => boolean) =>
    new Promise<unknown>((resolve) => {
      const look = () => {
        const whole = text.split("\n").slice(0, -1);
        const found = whole.map((line) => JSON.parse(line)).find(of);
        if (found !== undefined) resolve(found);
      };
      waiting.add(look);
      look();
    });
  const exited = once(child, "close").then(([status]) => status as number | null);
  return { child, heard, say: (line: string) => void child.stdin.write(`${line}\n`), exited };
}

const PING = (id: number) => JSON.stringify({ jsonrpc: "2.0", id, method: "ping" });

describe("whatever comes in between", () => {
  test("what is no message is passed over, or answered as such, and the next one is heard", async () => {
    scene.answer((_, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ jsonrpc: "2.0", id: 2, result: {} }));
    });
    const { say, heard, child, exited } = speaking(configured("raw", ["search"]));
    say("{ no JSON");
    say('{"jsonrpc": "2.0", "method": 7, "id": 1}');
    say(PING(2));
    expect(await heard(({ id }) => id === 2)).toEqual({ jsonrpc: "2.0", id: 2, result: {} });
    expect(await heard(({ id }) => id === null)).toMatchObject({ error: { code: -32_600 } });
    child.stdin.end();
    expect(await exited).toBe(0);
  });

  test.for([
    { what: "breaks off", status: 200, headers: { "content-type": "text/event-stream" }, reason: "SERVER_UNREACHABLE" },
    { what: "forgets the session", status: 404, headers: {}, reason: "SERVER_REFUSED" },
    {
      what: "says what is no message",
      status: 200,
      headers: { "content-type": "text/html" },
      reason: "SERVER_MALFORMED",
    },
    { what: "asks for a login", status: 401, headers: { "www-authenticate": "Bearer" }, reason: "SERVER_REFUSED" },
  ])("a server that $what: its call is answered with the reason", async ({ status, headers, reason }) => {
    scene.answer((_, response) => {
      response.writeHead(status, headers as Record<string, string>).write("<p>\n\n");
      response.end();
    });
    const { say, heard } = speaking(configured("raw", ["search"]));
    say(PING(3));
    expect(await heard(({ id }) => id === 3)).toMatchObject({ error: { data: { reason } } });
  });

  test("a message without an end ends it, and the step has FAILED", async () => {
    const on = configured("raw", ["search"]);
    const { child, exited } = speaking(on);
    child.stdin.on("error", () => undefined).write("x".repeat(9 * 1024 * 1024));
    expect(await exited).toBe(1);
    expect(await stateOf(on.runId)).toBe("FAILED");
  });

  test("a signal ends it, and the step is CANCELLED", async () => {
    scene.answer((_, response) => void response.writeHead(202).end());
    const on = configured("raw", ["search"]);
    const { say, child, exited } = speaking(on);
    say(JSON.stringify({ jsonrpc: "2.0", method: "notifications/progress", params: {} }));
    await vi.waitFor(() => expect(scene.seen).toHaveLength(1), { timeout: START_MS_MAX });
    child.kill("SIGTERM");
    expect(await exited).toBe(143);
    expect(await stateOf(on.runId)).toBe("CANCELLED");
  });
});

describe("stint bridge --stdio says what to mend", () => {
  const run = ["--run", "never", "--step", "chat", "--agent", "clerk"];
  const url = "https://a.example/mcp";
  test.for([
    { what: "no server", flags: run, status: 2, says: "--stdio: expected one --server, which is a URL" },
    {
      what: "two servers",
      flags: [...run, "--server", url, "--server", url],
      status: 2,
      says: "expected one --server",
    },
    { what: "a client", flags: [...run, "--server", url, "--", "true"], status: 2, says: "comes not after --" },
    { what: "a file", flags: [...run, "--server", url, "--mcp-config", "f"], status: 2, says: "reads no --mcp-config" },
    {
      what: "a server not granted",
      flags: [...run, "--server", url],
      status: 1,
      says: "has no location for the server",
    },
  ])("$what", async ({ flags, status, says }) => {
    const ran = await runStint(["--socket", scene.endpoint, "bridge", "--stdio", ...flags]);
    expect([ran.status, ran.out, ran.err]).toEqual([status, "", expect.stringContaining(says)]);
  });
});
