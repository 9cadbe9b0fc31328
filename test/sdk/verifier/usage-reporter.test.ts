import { expect, onTestFinished, test } from "vitest";
import { createUsageReporter } from "../../../src/sdk/verifier/usage-reporter.ts";
import { manualClock } from "./manual-clock.ts";

const CALL = { jti: "j", tool: "search", actions: ["read"], outcome: "served" } as const;

/** A reporter whom nobody answers. */
function reporter() {
  const made = createUsageReporter("unix:///nowhere/at/all.sock", manualClock(0));
  onTestFinished(made.close);
  return made;
}

test("calls of one kind are counted together, and those of a tool that does two things once for each", () => {
  const usage = reporter();
  for (let call = 0; call < 50; call += 1) usage.add(CALL);
  usage.add({ ...CALL, actions: ["read", "write"] });
  expect(usage.status()).toEqual({ waiting: 2, gap: 0 });
});

test("while the broker does not answer, a bounded number of kinds wait, and the rest is counted", async () => {
  const usage = reporter();
  for (let kind = 0; kind < 1_010; kind += 1) usage.add({ ...CALL, tool: `tool-${kind}` });
  expect(usage.status()).toEqual({ waiting: 1_000, gap: 10 });
  await usage.flush();
  // What was sent in vain is sent again, with what was left out until then.
  expect(usage.status()).toEqual({ waiting: 1_000, gap: 0 });
});

test("after it was closed nothing is kept", () => {
  const usage = reporter();
  usage.close();
  usage.add(CALL);
  expect(usage.status()).toEqual({ waiting: 0, gap: 0 });
});
