import { decodeJwt, decodeProtectedHeader } from "jose";
import { describe, expect, test } from "vitest";
import { secondsOf } from "../../src/domain/time.ts";
import { delegationScene } from "../open/delegation-scene.ts";
import { READ, segment, WRITE } from "../open/path-scene.ts";
import { OPERATOR } from "../simulation/broker.ts";

describe("a delegation token", () => {
  test("is a JWT-SVID of its step for the broker, names its receiver, and says what it passes on; never a scope", async () => {
    const { parent, tokenOf, clock } = await delegationScene();
    const token = await tokenOf(parent, { grant: [READ], uses: 3 });
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: "ES256", typ: "JWT" });
    const now = secondsOf(clock.now());
    expect(decodeJwt(token)).toEqual({
      iss: "https://broker.example.org",
      sub: parent.spiffeId,
      aud: ["spiffe://example.org/stint/server"],
      iat: now - 5,
      nbf: now - 5,
      exp: now + 120,
      jti: expect.any(String),
      client_id: "spiffe://example.org/agent/researcher",
      txn: parent.runId,
      authorization_details: [READ],
      may_act: { sub: "spiffe://example.org/runtime/receiver" },
      max_uses: 3,
      run_id: parent.runId,
      step: parent.step,
      attempt: 1,
      step_id: parent.stepId,
    });
  });

  test("passes on the whole of its step's grant unless less is asked for, and nothing where that is asked for", async () => {
    const { parent, tokenOf } = await delegationScene();
    expect(decodeJwt(await tokenOf(parent))["authorization_details"]).toEqual([READ, WRITE]);
    expect(decodeJwt(await tokenOf(parent, { grant: [] }))).not.toHaveProperty("authorization_details");
  });

  test("is recorded before it leaves, with its receiver and its uses", async () => {
    const { parent, tokenOf, entries, store } = await delegationScene();
    const { jti = "" } = decodeJwt(await tokenOf(parent, { grant: [READ], uses: 2 }));
    const { entryId: runtimeEntryId, spiffeId: mayAct } = entries.receiver;
    expect(await store.credentials.issuance({ jti })).toMatchObject({
      kind: "jwt-svid",
      grant: [READ],
      audiences: ["spiffe://example.org/stint/server"],
      delegation: { runtimeEntryId, mayAct, usesMax: 2 },
      uses: 0,
    });
  });

  test("lives no longer than its step", async () => {
    const { parent, tokenOf } = await delegationScene();
    expect(decodeJwt(await tokenOf(parent, { ttlSeconds: 3_600 })).exp).toBe(parent.expiresAt);
  });
});

describe("who may have one", () => {
  test("is any process of the entry that opened the step, and the process that executes it; nobody else", async () => {
    const { kernel, runtime, researcher, writer, operator, receiver, open, tokenOf } = await delegationScene();
    const executor = { kind: "pid", pid: researcher.process.pid } as const;
    const step = await open(runtime, { step: segment("executed"), executor });
    for (const by of [runtime, kernel.start(11), researcher]) await expect(tokenOf(step, {}, by)).resolves.toBeTruthy();
    for (const by of [kernel.start(31), writer, operator, receiver]) {
      await expect(tokenOf(step, {}, by)).rejects.toMatchObject({ code: "NOT_ENTITLED" });
    }
  });

  test("is nobody once the step has ended", async () => {
    const { broker, runtime, parent, tokenOf } = await delegationScene();
    await broker.close(runtime, { stepId: parent.stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 });
    await expect(tokenOf(parent)).rejects.toMatchObject({ code: "STEP_CLOSED", metadata: { state: "COMPLETED" } });
  });
});

describe("what is refused", () => {
  test("is to pass on more than the step holds; and that is recorded as a decision", async () => {
    const { runtime, open, tokenOf, store, broker } = await delegationScene();
    const step = await open(runtime, { step: segment("reader"), grant: [READ] });
    await expect(tokenOf(step, { grant: [READ, WRITE] })).rejects.toMatchObject({
      code: "GRANT_EXCEEDED",
      message: expect.stringMatching(/^above the step's grant: write at/),
    });
    await broker.denials.flush();
    expect(await store.history.decisions({ effect: "deny", limit: 5 })).toEqual([
      expect.objectContaining({ act: "issue", reason: "GRANT_EXCEEDED", stepId: step.stepId }),
    ]);
  });

  test("is a receiver that there is not, or that is disabled", async () => {
    const { broker, parent, tokenOf } = await delegationScene();
    const refused = { code: "ENTRY_NOT_FOUND", metadata: { field: "runtime" } };
    await expect(tokenOf(parent, { runtime: segment("nobody") })).rejects.toMatchObject(refused);
    await expect(tokenOf(parent, { runtime: segment("researcher") })).rejects.toMatchObject(refused);
    await broker.registry.disable("runtime/receiver", OPERATOR);
    await expect(tokenOf(parent)).rejects.toMatchObject(refused);
  });

  test.for([
    { field: "uses", own: { uses: 0 } },
    { field: "uses", own: { uses: 101 } },
    { field: "uses", own: { uses: 1.5 } },
    { field: "ttl", own: { ttlSeconds: 9 } },
    { field: "ttl", own: { ttlSeconds: 3_601 } },
  ])("is $field that no token can have: $own", async ({ field, own }) => {
    const { parent, tokenOf } = await delegationScene();
    await expect(tokenOf(parent, own)).rejects.toMatchObject({ code: "INVALID_FIELD", metadata: { field } });
  });

  test("is a token while nothing may be issued", async () => {
    const { broker, parent, tokenOf } = await delegationScene();
    broker.suspensions.suspend("rollback", "the ledger was put back");
    await expect(tokenOf(parent)).rejects.toMatchObject({ code: "NOT_SERVING" });
  });
});
