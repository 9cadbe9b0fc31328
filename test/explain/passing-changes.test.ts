import fc from "fast-check";
import { expect, test } from "vitest";
import { ACTIONS, type Grant } from "../../src/domain/grant.ts";
import { FILES, READ, SEARCH } from "../open/path-scene.ts";
import { explainScene } from "./explain-scene.ts";

// Goal: what an explanation names as passing does pass.
// Method: requests are drawn that ceiling, parent, baseline and a policy with an approval refuse for many reasons; each change
// that is named is then made, in the same run and by the real path, and the step has to be opened.
// A failure prints its seed and path; fast-check replays it by them.

const element = fc.record({
  type: fc.constant("mcp_tool" as const),
  locations: fc.subarray([SEARCH, FILES], { minLength: 1 }),
  identifier: fc.constantFrom("search", "write_file"),
  actions: fc.subarray([...ACTIONS], { minLength: 1, maxLength: 3 }),
  datatypes: fc.subarray(["internal", "customer"], { minLength: 1 }),
});
const request: fc.Arbitrary<Grant> = fc.array(element, { minLength: 1, maxLength: 3 });

test("every change that is named does pass, whatever was refused", { timeout: 300_000 }, async () => {
  const scene = await explainScene();
  let runs = 0;
  let denials = 0;
  let passed = 0;
  await fc.assert(
    fc.asyncProperty(
      request,
      fc.boolean(),
      fc.boolean(),
      fc.boolean(),
      async (grant, hasRead, isDelegated, isRisky) => {
        runs += 1;
        // More denials in one minute than are recorded one by one.
        scene.clock.advance(61_000);
        const runId = `run-${runs}`;
        const more = isDelegated ? { parentStepId: (await scene.open(runId, "parent", [READ])).stepId } : {};
        if (hasRead && !isDelegated) await scene.open(runId, "before", [{ ...READ, datatypes: ["customer"] }]);
        await scene.setRisk(isRisky ? "elevated" : "low", `run:${runId}`);
        const decisionId = await scene.denied(runId, "step", grant, more);
        if (decisionId === undefined) return;
        denials += 1;
        const { changes } = await scene.explain(decisionId);
        // Approving is another's act. And one change a run: what one is granted must not count for the next.
        const change = changes.find(({ approval }) => approval === undefined);
        if (change === undefined) return;
        if (change.riskAtMost !== undefined) await scene.setRisk(change.riskAtMost, `run:${runId}`);
        const opened = await scene.open(runId, "changed", change.grant ?? grant, change.withoutParent ? {} : more);
        expect(opened.grant).toEqual(change.grant ?? grant);
        passed += 1;
      },
    ),
    { numRuns: 60 },
  );
  // Without denials, or without changes that pass, nothing would have been tested.
  expect(denials).toBeGreaterThan(10);
  expect(passed).toBeGreaterThan(10);
});
