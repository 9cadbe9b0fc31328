import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  coverageOf,
  covers,
  formatGrant,
  type GrantElement,
  isWithin,
  limitedTo,
  parseGrant,
  scopeOf,
  withDefinitionsOf,
} from "../../src/domain/grant.ts";
import { GrantSchema } from "../../src/gen/stint/v1/types_pb.js";
import { grantMessageOf, grantOfMessage, knownGrantOf } from "../../src/wire/grant-message.ts";

const [ONE, OTHER] = ["1a".repeat(32), "2b".repeat(32)];
const search: GrantElement = {
  type: "mcp_tool",
  locations: ["https://a.example/mcp"],
  identifier: "search",
  actions: ["read"],
  datatypes: ["internal"],
};
const only = (definition_sha256: string, own: Partial<GrantElement> = {}): GrantElement => ({
  ...search,
  definition_sha256,
  ...own,
});

describe("a grant can be for one definition of a tool alone", () => {
  test("the digest is taken as it comes, in JSON and in a message", () => {
    const grant = [only(ONE, { max_calls: 3 }), search];
    expect(parseGrant(grant, { ceiling: false })).toEqual(grant);
    const message = create(GrantSchema, grantMessageOf(grant));
    expect(grantOfMessage(message, { ceiling: false })).toEqual(grant);
    expect(knownGrantOf(message)).toEqual(grant);
  });

  test.for([
    { what: "digits of another case", element: only(ONE.toUpperCase()) },
    { what: "too few digits", element: only("1a") },
    { what: "nothing", element: only("") },
    { what: "no text", element: { ...search, definition_sha256: 7 } },
    { what: "null", element: { ...search, definition_sha256: null } },
    { what: "any tool", element: only(ONE, { identifier: "*" }) },
  ])("a digest that is $what is refused", ({ element }) => {
    expect(() => parseGrant([element], { ceiling: true })).toThrow(
      expect.objectContaining({ code: "INVALID_FIELD", metadata: { field: "grant[0].definition_sha256" } }),
    );
  });

  test("an element for one definition is narrower than one for all, and covers no other", () => {
    expect(covers(search, only(ONE))).toBe(true);
    expect(covers(only(ONE), only(ONE))).toBe(true);
    expect(covers(only(ONE), search)).toBe(false);
    expect(covers(only(ONE), only(OTHER))).toBe(false);
    expect(limitedTo([only(ONE), search], [only(ONE)])).toEqual([only(ONE), undefined]);
    expect(isWithin([search], [only(ONE)])).toBe(false);
  });

  test("a use is covered under the definition that it is shown, and not where nobody says which that is", () => {
    const grant = [only(ONE)];
    expect(coverageOf(grant, only(ONE))).toMatchObject({ isCovered: true, isOfOtherDefinition: false });
    expect(coverageOf(grant, only(OTHER))).toMatchObject({ isCovered: false, isOfOtherDefinition: true });
    expect(coverageOf(grant, search)).toMatchObject({ isCovered: false, isOfOtherDefinition: true });
    const written = { ...only(OTHER), actions: ["write"] as const };
    expect(coverageOf(grant, written)).toMatchObject({ isCovered: false, isOfOtherDefinition: false });
    expect(coverageOf([...grant, search], search)).toMatchObject({ isCovered: true, isOfOtherDefinition: false });
  });

  test("only the budgets of elements for this definition count a call", () => {
    const grant = [only(ONE, { max_calls: 2 }), only(OTHER)];
    expect(coverageOf(grant, only(ONE)).counted).toEqual([0]);
    expect(coverageOf(grant, only(OTHER)).counted).toEqual([]);
  });

  test("whoever goes by the scope alone is told nothing of such a tool", () => {
    expect(scopeOf([only(ONE), { ...search, identifier: "look" }])).toBe("mcp:tool:look");
  });

  test("people are told the beginning of the digest", () => {
    expect(formatGrant([only(ONE)])).toBe("search at https://a.example/mcp (read; internal; definition 1a1a1a1a1a1a…)");
  });
});

describe("who asks need not know the digest", () => {
  test("an element takes that of the limit that covers it, unless one for all definitions does", () => {
    expect(withDefinitionsOf([search], [only(ONE)])).toEqual([only(ONE)]);
    expect(withDefinitionsOf([search], [only(ONE), search])).toEqual([search]);
    expect(withDefinitionsOf([only(OTHER)], [only(ONE)])).toEqual([only(OTHER)]);
    expect(withDefinitionsOf([{ ...search, identifier: "*" }], [only(ONE)])).toEqual([{ ...search, identifier: "*" }]);
    expect(withDefinitionsOf([{ ...search, actions: ["write"] }], [only(ONE)])).toEqual([
      { ...search, actions: ["write"] },
    ]);
  });

  test("taking digests of a limit never widens a request, and changes nothing that was within the limit", () => {
    const element = fc.record({
      identifier: fc.constantFrom("search", "look"),
      definition: fc.constantFrom(undefined, ONE, OTHER),
      action: fc.constantFrom("read" as const, "write" as const),
    });
    const grant = fc.array(element, { maxLength: 4 }).map((list) =>
      list.map(
        ({ identifier, definition, action }): GrantElement => ({
          ...search,
          identifier,
          actions: [action],
          ...(definition === undefined ? {} : { definition_sha256: definition }),
        }),
      ),
    );
    fc.assert(
      fc.property(grant, grant, (asked, limit) => {
        const taken = withDefinitionsOf(asked, limit);
        expect(isWithin(taken, asked)).toBe(true);
        if (isWithin(asked, limit)) expect(taken).toEqual(asked);
      }),
    );
  });
});
