import { expect, test } from "vitest";
import { heldBackBy } from "../../src/decide/held-back.ts";
import type { PolicyEffect } from "../../src/ports/policy-engine.ts";

const ALLOWED: PolicyEffect = { effect: "allow", policies: ["all"] };
const HELD: PolicyEffect = { effect: "deny", policies: ["b", "a"], approval: "operators" };

test.for([
  { what: "nothing denies", effects: [ALLOWED] },
  { what: "something else denies too", effects: [HELD, { effect: "deny", policies: ["never"] }] },
  { what: "another role would have to approve too", effects: [HELD, { ...HELD, approval: "owners" }] },
  { what: "a policy could not be evaluated", effects: [ALLOWED, { ...HELD, errors: ["broken"] }] },
] as const)("nobody can approve what is denied where $what", ({ effects }) => {
  expect(heldBackBy(effects)).toBeUndefined();
});

test("who can approve is told with the policies that ask for it, each once and sorted", () => {
  expect(heldBackBy([ALLOWED, HELD, HELD])).toEqual({ role: "operators", policies: ["a", "b"] });
});
