import { describe, expect, test } from "vitest";
import { STEP_ID } from "./scene.ts";
import { INITIALIZE, sessionServer, stepClaims } from "./session-line.ts";

const CALL = { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "search", arguments: {} } };
const NO_SESSION = {
  jsonrpc: "2.0",
  id: 7,
  error: { code: -32_001, message: "there is no such session", data: { reason: "SESSION_NOT_FOUND" } },
};

describe("a session", () => {
  test("is served to the step that opened it, whichever of its tokens it brings", async () => {
    const scene = await sessionServer();
    const session = await scene.session(scene.token());
    for (const authorization of [session["authorization"] ?? "", `Bearer ${scene.token({ jti: "next" })}`]) {
      const response = await scene.post(CALL, { ...session, authorization });
      expect([response.status, await response.text()]).toEqual([200, expect.stringContaining(`search for ${STEP_ID}`)]);
    }
  });

  test.for([
    { whom: "another step of the run", claims: stepClaims("r1", "other") },
    { whom: "another attempt of the step", claims: stepClaims("r1", "search", 2) },
    { whom: "a step of another run", claims: stepClaims("r2", "search") },
  ])("is to $whom none, and nothing reaches its server", async ({ claims }) => {
    const scene = await sessionServer();
    const session = await scene.session(scene.token());
    const stolen = { ...session, authorization: `Bearer ${scene.token(claims)}` };
    for (const message of [CALL, { ...CALL, method: "tools/list", params: {} }]) {
      const response = await scene.post(message, stolen);
      expect([response.status, await response.json()]).toEqual([404, NO_SESSION]);
    }
    const cancel = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 7 } };
    expect((await scene.post(cancel, stolen)).status).toBe(404);
    expect(scene.calls).toEqual([]);
  });

  test("that the guard has not seen opened is none either, and is told from another's by nothing", async () => {
    const scene = await sessionServer();
    const headers = { authorization: `Bearer ${scene.token()}`, "mcp-session-id": "made-up" };
    const response = await scene.post(CALL, headers);
    expect([response.status, await response.json()]).toEqual([404, NO_SESSION]);
  });

  test("of a run is its steps', and no other run's or agent's", async () => {
    const scene = await sessionServer({ sessionOwner: "run" });
    const session = await scene.session(scene.token());
    const agent = "spiffe://example.org/agent/reader";
    const others = [
      stepClaims("r1", "other"),
      stepClaims("r2", "search"),
      { ...stepClaims("r1", "else"), sub: `${agent}/run/r1/step/else/1`, client_id: agent },
    ];
    const statuses = [];
    for (const claims of others) {
      statuses.push((await scene.post(CALL, { ...session, authorization: `Bearer ${scene.token(claims)}` })).status);
    }
    expect(statuses).toEqual([200, 404, 404]);
  });

  test("is not asked for where the protocol has none, and its server is not told of it", async () => {
    const scene = await sessionServer();
    const victim = await scene.session(scene.token());
    const authorization = `Bearer ${scene.token(stepClaims("r1", "other"))}`;
    const headers = { "mcp-method": "tools/call", "mcp-name": "search" };
    const _meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };
    const modern = { ...CALL, params: { ...CALL.params, _meta } };
    const response = await scene.post(modern, { ...victim, authorization, ...headers });
    // What a server of sessions says to whoever names none.
    expect([response.status, scene.calls]).toEqual([400, []]);
  });

  test("is over once its server says so", async () => {
    const scene = await sessionServer();
    const session = await scene.session(scene.token());
    scene.drop(session);
    expect(await (await scene.post(CALL, session)).text()).toBe("");
    expect(await (await scene.post(CALL, session)).json()).toEqual(NO_SESSION);
  });
});

test("a setting that has no such value is refused", async () => {
  await expect(sessionServer({ sessionOwner: "agent" as "run" })).rejects.toThrow("sessionOwner: step or run");
  await expect(sessionServer({ proof: "requried" as "required" })).rejects.toThrow(
    "proof: one of none, accepted, required",
  );
});

test("of more sessions than a step may have the one goes that was idle longest", async () => {
  const scene = await sessionServer();
  const token = scene.token();
  const first = await scene.session(token);
  const second = await scene.session(token);
  for (let opened = 2; opened < 100; opened += 1) await scene.session(token);
  expect((await scene.post(CALL, first)).status).toBe(200);
  await scene.session(token);
  expect((await scene.post(CALL, first)).status).toBe(200);
  expect((await scene.post({ ...CALL, id: INITIALIZE.id + 1 }, second)).status).toBe(404);
});
