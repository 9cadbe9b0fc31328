import { describe, expect, test } from "vitest";
import { guardedServer } from "./scene.ts";
import { type SessionScene, sessionServer, stepClaims } from "./session-line.ts";

const PING = { jsonrpc: "2.0", id: 7, method: "ping" };

/** As another step of the run. */
function stolenBy(scene: SessionScene, session: Record<string, string>): Record<string, string> {
  return { ...session, authorization: `Bearer ${scene.token(stepClaims("r1", "other"))}` };
}

function ask(scene: { readonly resource: string }, method: string, headers: Record<string, string>): Promise<Response> {
  return fetch(scene.resource, { method, headers: { accept: "text/event-stream", ...headers } });
}

async function answerOf(response: Response): Promise<unknown> {
  return [response.status, ((await response.json()) as { error: { data: unknown } }).error.data];
}

describe("the stream of a session", () => {
  test("is its step's, and to others there is no such session", async () => {
    const scene = await sessionServer();
    const session = await scene.session(scene.token());
    for (const headers of [stolenBy(scene, session), { ...session, "mcp-session-id": "made-up" }]) {
      expect(await answerOf(await ask(scene, "GET", headers))).toEqual([404, { reason: "SESSION_NOT_FOUND" }]);
    }
    const response = await ask(scene, "GET", session);
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    await response.body?.cancel();
  });

  test("ends with its step, without an event that no request has asked for", async () => {
    const scene = await sessionServer();
    const session = await scene.session(scene.token());
    const response = await ask(scene, "GET", session);
    const [text] = await Promise.all([response.text(), scene.endStep()]);
    expect(text).toBe("");
    expect(await answerOf(await ask(scene, "GET", session))).toMatchObject([401, { reason: "STEP_CLOSED" }]);
  });

  test.for(["GET", "DELETE"])("is not looked for where the protocol has no sessions: %s", async (method) => {
    const scene = await sessionServer();
    const modern = { ...(await scene.session(scene.token())), "mcp-protocol-version": "2026-07-28" };
    expect(await answerOf(await ask(scene, method, modern))).toEqual([405, { reason: "HTTP_METHOD_REFUSED" }]);
  });

  test.for(["GET", "DELETE"])("is none without a session's name, and without a token: %s", async (method) => {
    const scene = await guardedServer();
    const bearer = { authorization: `Bearer ${scene.token()}` };
    expect(await answerOf(await ask(scene, method, bearer))).toEqual([405, { reason: "HTTP_METHOD_REFUSED" }]);
    expect((await ask(scene, method, { "mcp-session-id": "made-up" })).status).toBe(401);
  });
});

test("a session is ended by its step, and by no other", async () => {
  const scene = await sessionServer();
  const session = await scene.session(scene.token());
  const stolen = await ask(scene, "DELETE", stolenBy(scene, session));
  expect(await answerOf(stolen)).toEqual([404, { reason: "SESSION_NOT_FOUND" }]);
  expect((await scene.post(PING, session)).status).toBe(200);
  expect((await ask(scene, "DELETE", session)).status).toBe(200);
  expect(await answerOf(await scene.post(PING, session))).toEqual([404, { reason: "SESSION_NOT_FOUND" }]);
});

test.for(["PUT", "PATCH"])("%s is no method of a session", async (method) => {
  const scene = await sessionServer();
  const session = await scene.session(scene.token());
  expect(await answerOf(await ask(scene, method, session))).toEqual([405, { reason: "HTTP_METHOD_REFUSED" }]);
});
