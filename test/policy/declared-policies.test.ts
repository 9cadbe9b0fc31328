import { expect, test } from "vitest";
import type { Actor } from "../../src/domain/actor.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import { declarationOf, notInForce } from "../../src/policy/declared-policies.ts";
import type { PolicyActivation } from "../../src/ports/ledger-reads.ts";

const CONFIG: Actor = { kind: "broker", cause: "config" };
const OPERATOR: Actor = { kind: "operator", entryId: "entry_1", uid: 0 };

function lastWas(version: number, origin: PolicyActivation["origin"], by: Actor): PolicyActivation {
  return { version, ...(origin === undefined ? {} : { origin }), by, reason: "drill", activatedAt: 1 as UnixMicros };
}

test.for([
  { when: "nobody is registered yet", version: undefined, last: undefined, isNew: true, becomes: "activate" },
  {
    when: "steps were opened without policies",
    version: undefined,
    last: undefined,
    isNew: false,
    becomes: "upgraded",
  },
  { when: "steps were, at a later start", version: 1, last: undefined, isNew: false, becomes: "upgraded" },
  { when: "it is in force", version: 1, last: lastWas(1, "config", CONFIG), isNew: false, becomes: "in-force" },
  { when: "it changed", version: undefined, last: lastWas(1, "config", CONFIG), isNew: false, becomes: "activate" },
  { when: "it changed back", version: 1, last: lastWas(2, "config", CONFIG), isNew: false, becomes: "activate" },
  {
    when: "an operator had activated it, and it changed",
    version: undefined,
    last: lastWas(1, "config", OPERATOR),
    isNew: false,
    becomes: "activate",
  },
  {
    when: "an operator went back to an older one",
    version: 2,
    last: lastWas(1, "config", OPERATOR),
    isNew: false,
    becomes: "operator",
  },
  {
    when: "an operator's own is in force",
    version: undefined,
    last: lastWas(2, "api", OPERATOR),
    isNew: false,
    becomes: "operator",
  },
  {
    when: "an operator put none in force",
    version: undefined,
    last: lastWas(0, undefined, OPERATOR),
    isNew: false,
    becomes: "operator",
  },
] as const)("a declared set where $when: $becomes", ({ version, last, isNew, becomes }) => {
  expect(declarationOf(version, last, isNew)).toBe(becomes);
});

test.for([
  { when: "an operator's own is in force", last: lastWas(2, "api", OPERATOR), becomes: "activate" },
  { when: "an operator went back to an older one", last: lastWas(1, "config", OPERATOR), becomes: "activate" },
  { when: "an operator put none in force", last: lastWas(0, undefined, OPERATOR), becomes: "operator" },
  { when: "steps were opened without policies", last: undefined, becomes: "upgraded" },
  { when: "it is in force", last: lastWas(3, "config", CONFIG), becomes: "in-force" },
] as const)("where an engine elsewhere decides alone and $when: $becomes", ({ last, becomes }) => {
  expect(declarationOf(3, last, false, true)).toBe(becomes);
});

test("what is declared and not in force is said, with where to look", () => {
  expect(notInForce(1, 0)).toBe("policies: version 1 is not in force, no policies are; see `stint policy diff 0 1`");
  expect(notInForce(3, 2)).toBe("policies: version 3 is not in force, version 2 is; see `stint policy diff 2 3`");
  expect([notInForce(2, 2), notInForce(undefined, 2)]).toEqual([undefined, undefined]);
});
