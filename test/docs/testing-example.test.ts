// A user's test, for the documentation.
// #region testing
import { createStint } from "stint-sdk/runtime";
import { startDevBroker } from "stint-sdk/testing";
import { expect, test } from "vitest";

test("a step ends with its work", async () => {
  await using broker = await startDevBroker();
  using stint = createStint({ endpoint: broker.endpoint, agent: "dev" });
  const step = await stint.withStep({ runId: "r-1", step: "greet" }, async (open) => open);
  expect(step.signal.aborted).toBe(true);
});
// #endregion
