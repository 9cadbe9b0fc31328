import { expect, test } from "vitest";
import { MCP, pathScene } from "../open/path-scene.ts";

test("a credential whose step closed between its row and its signature is not handed out, and the ledger says so", async () => {
  const { broker, runtime, researcher, openForAudiences, store, clock, beforeSigning } = await pathScene();
  const { stepId } = await openForAudiences(runtime);
  beforeSigning(() => broker.close(runtime, { stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 }));
  const answers = await broker.issue(researcher, { stepId, wanted: [{ kind: "jwt-svid", audiences: [MCP] }] });
  expect(answers).toEqual([
    expect.objectContaining({ kind: "denial", code: "STEP_CLOSED", metadata: { state: "COMPLETED" } }),
  ]);
  const rows = await store.history.issuances({ stepId, now: clock.now(), limit: 2 });
  expect(rows).toEqual([expect.objectContaining({ undelivered: true, revokedAt: clock.now() })]);
});

test("what is signed while its step is open is handed out, and is not marked", async () => {
  const { broker, runtime, researcher, openForAudiences, store, clock } = await pathScene();
  const { stepId } = await openForAudiences(runtime);
  const answers = await broker.issue(researcher, { stepId, wanted: [{ kind: "jwt-svid", audiences: [MCP] }] });
  expect(answers).toEqual([expect.objectContaining({ kind: "jwt-svid" })]);
  const rows = await store.history.issuances({ stepId, now: clock.now(), limit: 2 });
  expect(rows).toEqual([expect.objectContaining({ undelivered: false })]);
});
