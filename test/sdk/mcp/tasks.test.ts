import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createMcpGuard, type McpFetch, OTHER_METHODS } from "../../../src/sdk/mcp/index.ts";
import { collectGarbage } from "../../garbage.ts";
import { guardedServerOf, type Scene } from "./scene.ts";
import { stepClaims } from "./session-line.ts";

type Message = { readonly id: number; readonly method: string; readonly params: { readonly taskId?: string } };

/** What a server has seen, in order: a method, and the task that it names. */
type Seen = (readonly [method: string, taskId: string | undefined])[];

/** A server that makes a task of each call and remembers all of them, whoever asks. */
function taskServer(seen: Seen, form: (taskId: string) => object): McpFetch {
  const tasks: string[] = [];
  return async (_request, { parsedBody }) => {
    const { id, method, params } = parsedBody as Message;
    seen.push([method, params.taskId]);
    if (method === "tools/call") tasks.push(`task ${tasks.length + 1}`);
    const result = {
      "tools/call": form(tasks.at(-1) ?? ""),
      "tasks/list": { tasks: tasks.map((taskId) => ({ taskId })) },
    }[method] ?? { taskId: params.taskId };
    return Response.json({ jsonrpc: "2.0", id, result });
  };
}

type Form = { readonly wire: string; readonly form: (taskId: string) => object };

const FORMS: readonly Form[] = [
  { wire: "2025-11-25", form: (taskId: string) => ({ task: { taskId, status: "working" } }) },
  { wire: "2026-07-28", form: (taskId: string) => ({ resultType: "task", taskId, status: "working" }) },
];

type TaskScene = Scene<never> & {
  readonly seen: Seen;
  ask(token: string, method: string, params?: object): Promise<{ readonly status: number; readonly text: string }>;
};

async function taskScene({ wire, form }: Form, otherMethods = ["tasks/*"]): Promise<TaskScene> {
  const seen: Seen = [];
  const serve = () => ({ fetch: taskServer(seen, form), close: async () => undefined });
  const methods = [...OTHER_METHODS, "subscriptions/listen", ...otherMethods];
  const scene = await guardedServerOf<never>({ createGuard: createMcpGuard, serve }, { otherMethods: methods });
  let id = 0;
  const ask: TaskScene["ask"] = async (token, method, params = {}) => {
    id += 1;
    const headers = {
      authorization: `Bearer ${token}`,
      "mcp-protocol-version": wire,
      "mcp-method": method,
      "mcp-name": "search",
    };
    const response = await scene.post({ jsonrpc: "2.0", id, method, params }, headers);
    return { status: response.status, text: await response.text() };
  };
  return { ...scene, seen, ask };
}

const CALL = { name: "search", arguments: {} };
const NONE = expect.stringMatching(/-32602.*"TASK_NOT_FOUND"/);

describe.for(FORMS)("a task at a server of MCP $wire", (form) => {
  test("is its step's, and to others there is no such task", async () => {
    const scene = await taskScene(form);
    const other = scene.token(stepClaims("r1", "other"));
    await scene.ask(scene.token(), "tools/call", CALL);
    for (const method of ["tasks/get", "tasks/result", "tasks/update", "tasks/cancel"]) {
      expect(await scene.ask(other, method, { taskId: "task 1" })).toEqual({ status: 200, text: NONE });
    }
    const retried = scene.token(stepClaims("r1", "search", 2));
    expect(await scene.ask(retried, "tasks/get", { taskId: "task 1" })).toEqual({ status: 200, text: NONE });
    expect(scene.seen).toEqual([["tools/call", undefined]]);
    const own = await scene.ask(scene.token({ jti: "next" }), "tasks/get", { taskId: "task 1" });
    expect(own).toEqual({ status: 200, text: expect.stringContaining('"taskId":"task 1"') });
  });

  test("is told from one that never was by nothing", async () => {
    const scene = await taskScene(form);
    const other = scene.token(stepClaims("r1", "other"));
    await scene.ask(scene.token(), "tools/call", CALL);
    const { text } = await scene.ask(other, "tasks/get", { taskId: "task 1" });
    const { text: made } = await scene.ask(other, "tasks/get", { taskId: "made up" });
    expect(made.replace(/"id":\d+/, "")).toBe(text.replace(/"id":\d+/, ""));
    expect(await scene.ask(other, "tasks/get", { taskId: 1 })).toEqual({ status: 200, text: NONE });
    expect(await scene.ask(other, "tasks/get")).toEqual({ status: 200, text: NONE });
  });

  test("is in the list of its own step alone", async () => {
    const scene = await taskScene(form);
    const other = scene.token(stepClaims("r1", "other"));
    await scene.ask(scene.token(), "tools/call", CALL);
    await scene.ask(other, "tools/call", CALL);
    expect(JSON.parse((await scene.ask(other, "tasks/list")).text).result).toEqual({ tasks: [{ taskId: "task 2" }] });
  });

  test("is listened for by no other step", async () => {
    const scene = await taskScene(form);
    await scene.ask(scene.token(), "tools/call", CALL);
    const params = { notifications: { taskIds: ["task 1"] } };
    const other = await scene.ask(scene.token(stepClaims("r1", "other")), "subscriptions/listen", params);
    expect(other).toEqual({ status: 200, text: NONE });
    expect((await scene.ask(scene.token(), "subscriptions/listen", params)).text).not.toEqual(NONE);
  });

  test("is cancelled when its step ends, and that of another step goes on", async () => {
    const scene = await taskScene(form);
    await scene.ask(scene.token(), "tools/call", CALL);
    await scene.ask(scene.token(stepClaims("r1", "other")), "tools/call", CALL);
    await scene.endStep();
    await vi.waitFor(() => expect(scene.seen.slice(2)).toEqual([["tasks/cancel", "task 1"]]));
  });
});

test("where no method of tasks is let through, a server is not told of a step's end", async () => {
  const scene = await taskScene({ wire: "2025-11-25", form: (taskId) => ({ task: { taskId } }) }, []);
  await scene.ask(scene.token(), "tools/call", CALL);
  const ended = new Promise<void>((resolve) => {
    const watched = scene.verifier.signalFor(scene.verifier.verify(scene.token()));
    watched.signal.addEventListener("abort", () => resolve(), { once: true });
    onTestFinished(() => watched[Symbol.dispose]());
  });
  await scene.endStep();
  await ended;
  expect(scene.seen).toEqual([["tools/call", undefined]]);
});

describe("what a guard keeps of a task", () => {
  test("is nothing of the call that it is of, which may have been megabytes", async () => {
    const scene = await taskScene({ wire: "2025-11-25", form: (taskId) => ({ task: { taskId } }) });
    const called = await callLargely(scene);
    await collectGarbage();
    expect(called.deref()).toBeUndefined();
    await scene.endStep();
    await vi.waitFor(() => expect(scene.seen.slice(1)).toEqual([["tasks/cancel", "task 1"]]));
  });

  test("is no id that is longer than any server's: such a task is nobody's", async () => {
    const scene = await taskScene({ wire: "2025-11-25", form: () => ({ task: { taskId: "x".repeat(1_025) } }) });
    await scene.ask(scene.token(), "tools/call", CALL);
    expect((await scene.ask(scene.token(), "tasks/get", { taskId: "x".repeat(1_025) })).text).toEqual(NONE);
  });
});

/** Calls with a body that somebody before has parsed. @returns that body, as long as anybody keeps it. */
async function callLargely({ guard, resource, token, seen }: TaskScene): Promise<WeakRef<object>> {
  const parsedBody = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { ...CALL, _meta: { a: 1 } } };
  const headers = { authorization: `Bearer ${token()}`, "content-type": "application/json" };
  const request = new Request(resource, { method: "POST", headers });
  const handler = taskServer(seen, (taskId) => ({ task: { taskId } }));
  await (await guard.fetch(request, handler, { parsedBody })).text();
  return new WeakRef(parsedBody.params);
}

test("in what a session's stream repeats, the list of tasks is without those of others", async () => {
  const stream =
    'id: 1\ndata: {"jsonrpc":"2.0","id":1,"result":{"tasks":[{"taskId":"task 1"},{"taskId":"task 2"}]}}\n\n';
  const made = new Set<string>();
  const fetch: McpFetch = async ({ method }, { parsedBody }) => {
    if (method === "GET") return new Response(stream, { headers: { "content-type": "text/event-stream" } });
    const taskId = `task ${made.size + 1}`;
    made.add(taskId);
    const { id } = parsedBody as Message;
    return Response.json(
      { jsonrpc: "2.0", id, result: { task: { taskId } } },
      { headers: { "mcp-session-id": taskId } },
    );
  };
  const serve = () => ({ fetch, close: async () => undefined });
  const scene = await guardedServerOf<never>(
    { createGuard: createMcpGuard, serve },
    { otherMethods: [...OTHER_METHODS, "tasks/*"] },
  );
  const tokens = [scene.token(), scene.token(stepClaims("r1", "other"))];
  for (const token of tokens) {
    const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params: CALL };
    await scene.post(call, { authorization: `Bearer ${token}` });
  }
  const headers = { authorization: `Bearer ${tokens[1]}`, "mcp-session-id": "task 2", "last-event-id": "0" };
  const repeated = await (await globalThis.fetch(scene.resource, { headers })).text();
  expect(repeated).toContain('{"tasks":[{"taskId":"task 2"}]}');
});

test("a task of which a session's stream tells first is its step's too, and is cancelled with it", async () => {
  const stream = 'id: 1\ndata: {"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"late"}}}\n\n';
  const cancelled: unknown[] = [];
  const fetch: McpFetch = async ({ method, headers }, { parsedBody }) => {
    if (method === "GET") return new Response(stream, { headers: { "content-type": "text/event-stream" } });
    const body = parsedBody as Message;
    if (body.method === "tasks/cancel") cancelled.push([body.params.taskId, headers.get("mcp-session-id")]);
    return Response.json({ jsonrpc: "2.0", id: body.id, result: {} }, { headers: { "mcp-session-id": "s" } });
  };
  const serve = () => ({ fetch, close: async () => undefined });
  const scene = await guardedServerOf<never>(
    { createGuard: createMcpGuard, serve },
    { otherMethods: [...OTHER_METHODS, "tasks/*"] },
  );
  const headers = { authorization: `Bearer ${scene.token()}` };
  await scene.post({ jsonrpc: "2.0", id: 1, method: "tools/call", params: CALL }, headers);
  await (await globalThis.fetch(scene.resource, { headers: { ...headers, "mcp-session-id": "s" } })).text();
  await scene.endStep();
  await vi.waitFor(() => expect(cancelled).toEqual([["late", "s"]]));
});
