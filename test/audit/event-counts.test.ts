import { expect, test } from "vitest";
import { createEventCounts } from "../../src/audit/event-counts.ts";
import { checkScene } from "../check/check-scene.ts";

test("calls that were asked about are counted as allowed, or as denials with their reason", async () => {
  const scene = await checkScene();
  const counts = createEventCounts();
  const following = scene.store.ledger.follow({ name: "counts", take: ({ event }) => counts.take(event) }, 0);
  await scene.ask();
  await scene.ask();
  await scene.ask({ tool: "delete_repo" });
  await following.reached(scene.store.ledger.head().sequence);
  expect(counts.callsAllowed()).toBe(2);
  expect([...counts.denied]).toEqual([["call GRANT_EXCEEDED", 1]]);
  following.end();
});
