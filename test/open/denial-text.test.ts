import { expect, test } from "vitest";
import type { DenialLayer } from "../../src/domain/denial-details.ts";
import { denialText, withNextStep } from "../../src/open/denial-text.ts";
import { READ } from "./path-scene.ts";

type Denied = Parameters<typeof denialText>[0];

/** A decision that denies elements which these refused. */
function denied(
  refusers: readonly (DenialLayer | undefined)[],
  own: Partial<Denied["decision"]> & { readonly refusesWhole?: boolean } = {},
): Denied {
  const { refusesWhole = false, ...decision } = own;
  const refused = refusers.flatMap((refuser) => (refuser === undefined ? [] : [READ]));
  return { decision: { refused, ...decision } as Denied["decision"], refusers, refusesWhole };
}

const NAMES = expect.stringMatching(/: search at /);

test.for<{ who: string; denial: Denied; isDelegated?: boolean }>([
  { who: "above the agent's ceiling", denial: denied(["ceiling", undefined]) },
  { who: "above the parent step's grant", denial: denied(["parent"]) },
  {
    who: "above what the delegation token passes on of the parent's grant",
    denial: denied(["parent"]),
    isDelegated: true,
  },
  { who: "refused by policy", denial: denied([undefined, "policy"]) },
  { who: "above the agent's ceiling, and refused by policy", denial: denied(["policy", "ceiling"]) },
  {
    who: "above the agent's ceiling, and above the parent step's grant, and refused by policy",
    denial: denied(["policy", "parent", "ceiling"]),
  },
  { who: "refused by policy, whatever the step asks for", denial: denied(["policy"], { refusesWhole: true }) },
  {
    who: "above the agent's ceiling, and refused by policy, whatever the step asks for",
    denial: denied(["ceiling"], { refusesWhole: true }),
  },
  { who: "a policy could not be evaluated", denial: denied(["policy"], { policyErrors: ["site.broken"] }) },
  {
    who: "held back until operators approve it (accept_pending)",
    denial: denied(["policy"], { approval: "operators" }),
  },
])("a denial says who refused, and no more than that: $who", ({ who, denial, isDelegated = false }) => {
  const text = denialText(denial, { isDelegated });
  expect(text).toEqual(NAMES);
  expect(text.slice(0, text.indexOf(": search at "))).toBe(who);
});

test("a step that asks for nothing, and may not be opened, is refused by policy", () => {
  const text = denialText(denied([], { refusesWhole: true }), { isDelegated: false });
  expect(text).toBe("refused by policy, whatever the step asks for");
});

test("where to go from here is the operator's command, with the decision", () => {
  expect(withNextStep("refused by policy", "dec_1")).toBe(
    "refused by policy; an operator sees why, and what would pass: stint explain dec_1",
  );
});
