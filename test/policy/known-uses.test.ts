import { expect, test } from "vitest";
import type { GrantElement } from "../../src/domain/grant.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { createUses } from "../../src/policy/known-uses.ts";
import { elementOf } from "../samples/policy-request.ts";

const OTHER = "https://other.example.org";

const usesOf = (...elements: readonly GrantElement[]) => {
  const uses = createUses();
  uses.add(elements);
  return uses;
};

test("what was granted and not used is told by tool, server and action; any tool of a server by any that was used", () => {
  const locations = ["https://one.example.org", OTHER];
  const granted = usesOf(
    elementOf({ identifier: "search", locations, actions: ["read", "write"] }),
    elementOf({ identifier: "*", locations }),
  );
  const used = usesOf(elementOf({ identifier: "search", locations: [OTHER], actions: ["read"] }));
  const unused = granted
    .without(used, () => true)
    .map(({ identifier, locations: [at], actions }) => {
      return [identifier, at, actions.join()];
    });
  expect(unused).toEqual([
    ["*", locations[0], "read"],
    ["search", locations[0], "read,write"],
    ["search", OTHER, "write"],
  ]);
});

test("an agent that asks for ever new tools keeps nobody waiting who looks at it: past a number nothing is suggested", () => {
  const uses = createUses();
  const tool = (number: number) => [elementOf({ identifier: `tool-${number}` })];
  for (let number = 0; number < LIMITS.suggestedUsesMax; number += 1) uses.add(tool(number));
  uses.add(tool(0));
  expect(() => uses.add(tool(LIMITS.suggestedUsesMax))).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
});
