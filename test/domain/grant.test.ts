import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BrokerError } from "../../src/domain/errors.ts";
import {
  ACTIONS,
  checkAudience,
  checkResourceUri,
  covers,
  divide,
  type Grant,
  type GrantElement,
  isWithin,
  narrowTo,
  parseGrant,
  scopeOf,
} from "../../src/domain/grant.ts";

const LOCATIONS = ["https://a.example/mcp", "https://b.example/mcp", "https://c.example"];
const element = fc.record({
  type: fc.constant("mcp_tool" as const),
  locations: fc.subarray(LOCATIONS, { minLength: 1 }),
  identifier: fc.constantFrom("search", "write_file", "*"),
  actions: fc.subarray([...ACTIONS], { minLength: 1 }),
  datatypes: fc.subarray(["public", "internal", "secret"], { minLength: 1 }),
});
const grant = fc.array(element, { maxLength: 6 });

const search: GrantElement = {
  type: "mcp_tool",
  locations: ["https://a.example/mcp"],
  identifier: "search",
  actions: ["read"],
  datatypes: ["internal"],
};

describe("what is granted is never wider than what limits it", () => {
  test("every permitted element is covered, every refused one is not, and none is lost or changed", () => {
    fc.assert(
      fc.property(grant, grant, (asked, limit) => {
        const { permitted, refused } = divide(asked, limit);
        expect(permitted.every((one) => limit.some((wide) => covers(wide, one)))).toBe(true);
        expect(refused.some((one) => limit.some((wide) => covers(wide, one)))).toBe(false);
        expect(new Set([...permitted, ...refused])).toEqual(new Set(asked));
      }),
    );
  });

  test("being within is transitive, so that no chain of delegation widens", () => {
    fc.assert(
      fc.property(grant, grant, grant, (a, b, c) => {
        const middle = divide(b, c).permitted;
        const inner = divide(a, middle).permitted;
        expect(isWithin(inner, c)).toBe(true);
      }),
    );
  });

  test("narrowing to an audience stays within the grant and names that audience alone", () => {
    fc.assert(
      fc.property(grant, fc.constantFrom(...LOCATIONS), (held, audience) => {
        const narrowed = narrowTo(held, audience);
        expect(isWithin(narrowed, held)).toBe(true);
        expect(narrowed.every((one) => one.locations.length === 1 && one.locations[0] === audience)).toBe(true);
      }),
    );
  });

  test.for([
    { differs: "another tool", narrow: { ...search, identifier: "delete" } },
    { differs: "any tool", narrow: { ...search, identifier: "*" } },
    {
      differs: "another location",
      narrow: { ...search, locations: ["https://a.example/mcp", "https://b.example/mcp"] },
    },
    { differs: "another action", narrow: { ...search, actions: ["read", "write"] as const } },
    { differs: "another data class", narrow: { ...search, datatypes: ["internal", "secret"] } },
  ])("an element is not covered by one that differs in $differs", ({ narrow }) => {
    expect(covers(search, narrow)).toBe(false);
  });

  test("two elements together do not cover what neither covers alone", () => {
    const both: Grant = [search, { ...search, actions: ["write"] }];
    expect(isWithin([{ ...search, actions: ["read", "write"] }], both)).toBe(false);
  });
});

describe("a grant from outside is accepted only in full and in one form", () => {
  test.for([
    { case: "not a list", input: {} },
    { case: "null", input: null },
    { case: "an element that is no object", input: ["search"] },
    { case: "an unknown member", input: [{ ...search, privileges: ["admin"] }] },
    { case: "another type", input: [{ ...search, type: "mcp_resource" }] },
    { case: "no actions", input: [{ ...search, actions: [] }] },
    { case: "an unknown action", input: [{ ...search, actions: ["Read"] }] },
    { case: "an action twice", input: [{ ...search, actions: ["read", "read"] }] },
    { case: "no data class", input: [{ ...search, datatypes: [] }] },
    { case: "a data class with a space", input: [{ ...search, datatypes: ["in ternal"] }] },
    { case: "a tool name with a space", input: [{ ...search, identifier: "se arch" }] },
    { case: "a tool name with a quote", input: [{ ...search, identifier: 'se"arch' }] },
    { case: "an empty tool name", input: [{ ...search, identifier: "" }] },
    { case: "any location in a request", input: [{ ...search, locations: ["*"] }] },
    { case: "a missing member", input: [{ type: "mcp_tool", locations: search.locations, identifier: "search" }] },
    { case: "too many elements", input: Array.from({ length: 65 }, () => search) },
  ])("$case is refused, naming the field", ({ input }) => {
    expect(() => parseGrant(input, { ceiling: false })).toThrow(BrokerError);
    expect(() => parseGrant(input, { ceiling: false })).toThrow(/^grant/);
  });

  test("a ceiling may say any location", () => {
    expect(parseGrant([{ ...search, locations: ["*"], identifier: "*" }], { ceiling: true })).toHaveLength(1);
  });

  test("parsing is idempotent and changes nothing", () => {
    fc.assert(
      fc.property(grant, (input) => {
        expect(parseGrant(parseGrant(input, { ceiling: false }), { ceiling: false })).toEqual(input);
      }),
    );
  });
});

describe("a URI is compared byte for byte, so only its canonical form is taken", () => {
  test.for([
    "https://mcp.example.com/mcp",
    "https://mcp.example.com",
    "http://127.0.0.1:8080/mcp",
    "https://mcp.example.com:8443/a/b?c=d",
    "https://mcp.example.com/a%20b",
  ])("%s is taken", (uri) => {
    expect(() => checkResourceUri(uri, "audience")).not.toThrow();
  });

  test.for([
    "https://mcp.example.com/",
    "https://mcp.example.com/mcp/",
    "HTTPS://mcp.example.com/mcp",
    "https://MCP.example.com/mcp",
    "https://mcp.example.com:443/mcp",
    "https://mcp.example.com/mcp#x",
    "https://mcp.example.com/mcp#",
    "https://mcp.example.com/mcp?",
    "https://mcp.example.com/a/../mcp",
    "https://mcp.example.com/a/./mcp",
    "https://mcp.example.com/%2e%2e/mcp",
    "https://user@mcp.example.com/mcp",
    "https://mcp.example.com\\mcp",
    " https://mcp.example.com/mcp",
    "https://mcp.example.com/mc p",
    "https://мcp.example.com/mcp",
    "ftp://mcp.example.com/mcp",
    "mcp.example.com",
    "",
  ])("%j is refused", (uri) => {
    expect(() => checkResourceUri(uri, "audience")).toThrow(/^audience: /);
  });

  test.for(["spiffe://example.org/verifier/tools", "internal-api", "urn:example:tools", "https://a.example/mcp"])(
    "%s is an audience",
    (audience) => {
      expect(() => checkAudience(audience, "audiences")).not.toThrow();
    },
  );

  test.for(["", "*", "a b", "a\nb", 'a"b', "a\\b", ":x", "https://A.example", "a\u202eb", "x".repeat(2_049)])(
    "%j is no audience",
    (audience) => {
      expect(() => checkAudience(audience, "audiences")).toThrow(/^audiences: /);
    },
  );
});

test("scope names each tool once and never any tool", () => {
  expect(scopeOf([search, { ...search, identifier: "*" }, search, { ...search, identifier: "fetch" }])).toBe(
    "mcp:tool:search mcp:tool:fetch",
  );
});
