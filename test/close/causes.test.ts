import { expect, test } from "vitest";
import { type Cause, type CauseKey, type Causes, createCauses } from "../../src/close/causes.ts";
import type { FactScope } from "../../src/domain/run-facts.ts";
import type { Segment } from "../../src/domain/spiffe-id.ts";
import type { Step } from "../../src/domain/step.ts";
import { STEP } from "../samples/credentials.ts";

const stepOf = (stepId: string, own: Partial<Step> = {}): Step => ({ ...STEP, stepId, openedSequence: 1, ...own });

const PLAIN = stepOf("plain", { agent: "a" as Segment, agentEntryId: "entry_a", openerEntryId: "entry_r" });
const DELEGATED = stepOf("delegated", {
  agent: "b" as Segment,
  ...{ agentEntryId: "entry_b", openerEntryId: "entry_b", runId: "below" as Segment },
  factScopes: ["run:below", "run:above", "principal:p"] as readonly FactScope[],
});
const STEPS = [PLAIN, DELEGATED];

/** Changes that concern nobody. */
const NOBODYS = Array.from({ length: 20 }, (_, index): Cause => ({ key: `run:nobodys-${index}`, sequence: 2 }));

const EACH: readonly (readonly [CauseKey, readonly string[]])[] = [
  ["domain", ["plain", "delegated"]],
  ["policies", ["plain", "delegated"]],
  ["federation", ["plain", "delegated"]],
  ["start", ["plain", "delegated"]],
  ["agent:a", ["plain"]],
  ["agent:entry_a", []],
  ["run:above", ["delegated"]],
  ["run:below", ["delegated"]],
  [`run:${PLAIN.runId}`, ["plain"]],
  ["entry:entry_r", ["plain"]],
  ["entry:entry_b", ["delegated"]],
  ["entry:a", []],
];

function dueOf(causes: Causes, steps: readonly Step[]): readonly string[] {
  const due = causes.lookForDue();
  // As they are looked at in several turns.
  for (const step of steps) due.look([step]);
  return due.inOrder().map(({ step }) => step.stepId);
}

test.each(EACH)(
  "a change of %s has those judged that it concerns, and no others, however many changes there are",
  (key, ids) => {
    for (const others of [[], NOBODYS]) {
      const causes = createCauses();
      for (const cause of [...others, { key, sequence: 2 }]) causes.add(cause);
      expect(dueOf(causes, STEPS)).toEqual(ids);
    }
  },
);

test("those for whom the risk rose come first, then those of the newest change, and whoever was opened first among equals", () => {
  const causes = createCauses();
  causes.add({ key: "agent:b", sequence: 3, isRise: true });
  causes.add({ key: "run:newest", sequence: 9 });
  causes.add({ key: "policies", sequence: 5 });
  const newest = stepOf("newest", { runId: "newest" as Segment, agent: "a" as Segment });
  const due = dueOf(causes, [PLAIN, stepOf("another", { agent: "a" as Segment }), newest, DELEGATED]);
  expect(due).toEqual(["delegated", "newest", "plain", "another"]);
});

test("what changes while steps are looked at is not settled by that look, also where no event says that it changed", () => {
  const causes = createCauses();
  causes.add({ key: "policies", sequence: 5 });
  const due = causes.lookForDue();
  due.look([{ ...PLAIN, judgedSequence: 5 }]);
  causes.add({ key: "policies", sequence: 5, isUnrecorded: true });
  causes.add({ key: "domain", sequence: 5, isUnrecorded: true });
  due.look([{ ...DELEGATED, judgedSequence: 5 }]);
  expect(due.inOrder()).toEqual([]);
  causes.settle(5, due);
  expect(dueOf(causes, [{ ...PLAIN, judgedSequence: 5 }])).toEqual(["plain"]);
});

test("steps that are named one after the other are all judged, and those that were judged in between are not again", () => {
  const causes = createCauses();
  const steps = ["one", "two", "three"].map((stepId) => stepOf(stepId));
  const named = (...stepIds: string[]): Cause => ({ key: "start", sequence: 2, only: new Set(stepIds) });
  causes.add(named("one"));
  const due = causes.lookForDue();
  due.look(steps);
  causes.judged(due.inOrder(), 0);
  expect(due.inOrder().map(({ step }) => step.stepId)).toEqual(["one"]);
  causes.add(named("two"));
  causes.add(named("three"));
  expect(dueOf(causes, steps)).toEqual(["two", "three"]);
  const every = { key: "start", sequence: 2 } as const;
  causes.add(every);
  causes.add(named("one"));
  expect(dueOf(causes, steps)).toEqual(["one", "two", "three"]);
});
