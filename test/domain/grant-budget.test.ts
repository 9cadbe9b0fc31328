import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  coverageOf,
  covers,
  divide,
  formatGrant,
  type Grant,
  type GrantElement,
  isWithin,
  limitedTo,
  parseGrant,
  scopeOf,
} from "../../src/domain/grant.ts";
import { GrantSchema } from "../../src/gen/stint/v1/types_pb.js";
import { grantMessageOf, grantOfMessage, knownGrantOf } from "../../src/wire/grant-message.ts";

const search: GrantElement = {
  type: "mcp_tool",
  locations: ["https://a.example/mcp"],
  identifier: "search",
  actions: ["read"],
  datatypes: ["public", "internal"],
};
const atMost = (calls: number, own: Partial<GrantElement> = {}): GrantElement => ({
  ...search,
  max_calls: calls,
  ...own,
});

describe("a budget of calls is part of a grant", () => {
  test.for([1, 1_000_000])("%i calls are taken as they come, in JSON and in a message", (calls) => {
    const grant: Grant = [atMost(calls)];
    expect(parseGrant(grant, { ceiling: false })).toEqual(grant);
    const message = create(GrantSchema, grantMessageOf(grant));
    expect(grantOfMessage(message, { ceiling: false })).toEqual(grant);
    expect(knownGrantOf(message)).toEqual(grant);
  });

  test.for([0, -1, 1.5, 1_000_001, Number.NaN, "5", null, true])("%s is no number of calls", (calls) => {
    expect(() => parseGrant([{ ...search, max_calls: calls }], { ceiling: true })).toThrow(
      expect.objectContaining({ code: "INVALID_FIELD", metadata: { field: "grant[0].max_calls" } }),
    );
  });

  test("a message with a budget of nothing is refused, and not taken for one without", () => {
    const message = create(GrantSchema, { elements: [{ ...grantMessageOf([search]).elements?.[0], maxCalls: 0 }] });
    expect(() => grantOfMessage(message, { ceiling: false })).toThrow("grant[0].max_calls");
  });

  // As a release from before `max_calls` does with that: whoever can't count must not let pass.
  test("a member that this version does not know is refused", () => {
    expect(() => parseGrant([{ ...search, max_bytes: 5 }], { ceiling: false })).toThrow("only the members");
  });

  test("people are told how often", () => {
    expect(formatGrant([atMost(5)])).toBe("search at https://a.example/mcp (read; public, internal; 5 calls at most)");
    expect(formatGrant([atMost(1)])).toContain("; 1 call at most)");
  });

  test("a scope does not name a tool whose calls are counted: whoever reads the scope alone can't count", () => {
    expect(scopeOf([atMost(5), { ...search, identifier: "list" }])).toBe("mcp:tool:list");
  });
});

describe("an element without a budget is wider than one with it", () => {
  test.for([
    { wide: search, narrow: atMost(5), is: true },
    { wide: atMost(5), narrow: search, is: false },
    { wide: atMost(5), narrow: atMost(5), is: true },
    { wide: atMost(5), narrow: atMost(6), is: false },
  ])("$wide.max_calls covers $narrow.max_calls: $is", ({ wide, narrow, is }) => {
    expect(covers(wide, narrow)).toBe(is);
    expect(isWithin([narrow], [wide])).toBe(is);
  });
});

describe("a budget asked for in parts is no larger than in one", () => {
  test("the same element twice", () => {
    expect(divide([atMost(3), atMost(3)], [atMost(5)])).toEqual({ permitted: [atMost(3)], refused: [atMost(3)] });
    expect(isWithin([atMost(3), atMost(2)], [atMost(5)])).toBe(true);
  });

  test("one class of data each", () => {
    const parts = [atMost(5, { datatypes: ["public"] }), atMost(5, { datatypes: ["internal"] })];
    expect(isWithin(parts, [atMost(5)])).toBe(false);
  });

  test("in whatever order and however many parts", () => {
    const part = fc.record({ calls: fc.integer({ min: 1, max: 9 }), datatype: fc.constantFrom("public", "internal") });
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }),
        (parts, limits) => {
          const asked = parts.map(({ calls, datatype }) => atMost(calls, { datatypes: [datatype] }));
          const { permitted } = divide(
            asked,
            limits.map((calls) => atMost(calls)),
          );
          const granted = permitted.reduce((sum, { max_calls: calls = Number.POSITIVE_INFINITY }) => sum + calls, 0);
          const total = limits.reduce((sum, calls) => sum + calls, 0);
          expect(granted).toBeLessThanOrEqual(total);
          const narrowed = limitedTo(
            asked,
            limits.map((calls) => atMost(calls)),
            true,
          );
          const calls = narrowed.map((element) => element?.max_calls ?? 0);
          expect(calls.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(total);
          for (const [index, one] of calls.entries()) expect(one).toBeLessThanOrEqual(asked[index]?.max_calls ?? 0);
          // Whoever is given nothing at all could be given nothing.
          if (asked.length > 0 && limits.length > 0) expect(Math.max(...calls)).toBeGreaterThan(0);
        },
      ),
    );
  });
});

describe("which elements count a call does not depend on their order", () => {
  const use = {
    type: "mcp_tool",
    locations: search.locations,
    identifier: "search",
    actions: ["read"],
    datatypes: ["public"],
  } as const;

  test.for<{ readonly what: string; readonly grant: Grant; readonly is: object }>([
    {
      what: "no element that covers it",
      grant: [atMost(1, { identifier: "list" })],
      is: { isCovered: false, counted: [] },
    },
    { what: "one without a budget", grant: [search], is: { isCovered: true, counted: [] } },
    {
      what: "one with a budget",
      grant: [{ ...search, identifier: "list" }, atMost(1)],
      is: { isCovered: true, counted: [1] },
    },
    {
      what: "a narrow and a wide one",
      grant: [atMost(1), atMost(9, { identifier: "*" })],
      is: { isCovered: true, counted: [0, 1] },
    },
    { what: "one with and one without a budget", grant: [atMost(1), search], is: { isCovered: true, counted: [] } },
  ])("$what", ({ grant, is }) => {
    expect(coverageOf(grant, use)).toEqual({ ...is, isOfOtherDefinition: false });
    const reversed = coverageOf(grant.toReversed(), use);
    expect(reversed.counted.map((index) => grant.length - 1 - index).toSorted()).toEqual(
      coverageOf(grant, use).counted,
    );
  });
});
