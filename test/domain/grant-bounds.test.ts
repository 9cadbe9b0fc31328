import { describe, expect, test } from "vitest";
import { checkAudience, checkResourceUri, covers, locationsOf, parseGrant } from "../../src/domain/grant.ts";

const LOCATION = "https://a.example/mcp";
const search = {
  type: "mcp_tool",
  locations: [LOCATION],
  identifier: "search",
  actions: ["read"],
  datatypes: ["internal"],
} as const;

const many = (count: number, prefix: string) => Array.from({ length: count }, (_, index) => `${prefix}${index}`);
/** A URI of exactly so many characters. */
const uriOf = (length: number) => `${LOCATION}/`.padEnd(length, "x");

describe("a grant is as large as its bounds say, and no larger", () => {
  test.for([
    { what: "64 elements", input: Array(64).fill(search) },
    { what: "32 locations", input: [{ ...search, locations: many(32, `${LOCATION}/`) }] },
    { what: "32 classes of data", input: [{ ...search, datatypes: many(32, "class-") }] },
    { what: "a location of 2048 characters", input: [{ ...search, locations: [uriOf(2_048)] }] },
    { what: "a tool's name of 128 characters", input: [{ ...search, identifier: "t".repeat(128) }] },
  ])("$what", ({ input }) => {
    expect(parseGrant(input, { ceiling: false })).toEqual(input);
  });

  test.for([
    { what: "65 elements", input: Array(65).fill(search), field: "grant" },
    { what: "33 locations", input: [{ ...search, locations: many(33, `${LOCATION}/`) }], field: "grant[0].locations" },
    { what: "33 classes of data", input: [{ ...search, datatypes: many(33, "class-") }], field: "grant[0].datatypes" },
    {
      what: "a location of 2049 characters",
      input: [{ ...search, locations: [uriOf(2_049)] }],
      field: "grant[0].locations",
    },
    {
      what: "a tool's name of 129 characters",
      input: [{ ...search, identifier: "t".repeat(129) }],
      field: "grant[0].identifier",
    },
  ])("not $what", ({ input, field }) => {
    expect(() => parseGrant(input, { ceiling: false })).toThrow(
      expect.objectContaining({ code: "INVALID_FIELD", metadata: { field } }),
    );
  });
});

test.for([
  { what: "an element that is null", input: [search, null], field: "grant[1]" },
  { what: "an element that is a text", input: ["search"], field: "grant[0]" },
  { what: "an element that is a list", input: [[]], field: "grant[0]" },
  { what: "a tool that is a number", input: [{ ...search, identifier: 7 }], field: "grant[0].identifier" },
  {
    what: "one location among good ones",
    input: [{ ...search, locations: [LOCATION, "x"] }],
    field: "grant[0].locations",
  },
  { what: "one action among good ones", input: [{ ...search, actions: ["read", "see"] }], field: "grant[0].actions" },
  {
    what: "one data class among good ones",
    input: [{ ...search, datatypes: ["a", "b c"] }],
    field: "grant[0].datatypes",
  },
  { what: "a number among texts", input: [{ ...search, datatypes: ["a", 7] }], field: "grant[0].datatypes" },
])("$what spoils a grant, and its field is named", ({ input, field }) => {
  for (const ceiling of [false, true]) {
    expect(() => parseGrant(input, { ceiling })).toThrow(
      expect.objectContaining({ code: "INVALID_FIELD", metadata: { field } }),
    );
  }
});

test("a ceiling of any tool at any location covers a named one, of its own actions and classes of data", () => {
  const ceiling = { ...search, identifier: "*", locations: ["*"] } as const;
  expect(covers(ceiling, search)).toBe(true);
  expect(covers({ ...ceiling, identifier: "fetch" }, search)).toBe(false);
  expect(covers(ceiling, { ...search, actions: ["write"] })).toBe(false);
  expect(covers(ceiling, { ...search, datatypes: ["secret"] })).toBe(false);
});

test("the locations of a grant are each there once, in their order", () => {
  const other = "https://b.example";
  expect(locationsOf([search, { ...search, locations: [other, LOCATION] }])).toEqual([LOCATION, other]);
  expect(locationsOf([])).toEqual([]);
});

test.for(["https://:secret@a.example/mcp", "https://a.example/mcp#", "https://a.example/mcp#part"])(
  "a resource is not %s",
  (uri) => {
    expect(() => checkResourceUri(uri, "audience")).toThrow(/^audience: /);
  },
);

test("an audience has at most 2048 characters, be it a URL or not", () => {
  for (const audience of [uriOf(2_048), "x".repeat(2_048)]) checkAudience(audience, "audiences");
  for (const audience of [uriOf(2_049), "x".repeat(2_049)]) {
    expect(() => checkAudience(audience, "audiences")).toThrow(/^audiences: /);
  }
});

test("an audience is held to the form of a URL where it is one of http or https, and only there", () => {
  checkAudience("urn:example:https:tools", "audiences");
  for (const audience of ["http://A.example", "HTTP://a.example", "https://a.example/"]) {
    expect(() => checkAudience(audience, "audiences")).toThrow(/^audiences: /);
  }
});
