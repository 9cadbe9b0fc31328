import { expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { checkReportedDefinition, isRecordable, toolDefinitionOf } from "../../src/domain/tool-definition.ts";

const SEARCH = {
  name: "search",
  title: "Search",
  description: "Finds books.",
  inputSchema: { type: "object", properties: { query: { type: "string", default: null, minLength: 1 } } },
  annotations: { readOnlyHint: true },
};
const digestOf = (listed: object) => toolDefinitionOf(listed as never)?.sha256;

// What other programs have to compute: pinned, since a change would make every pin in every ledger another's.
test("the digest is the SHA-256 of the canonical JSON of the members that count", () => {
  expect(toolDefinitionOf(SEARCH)).toEqual({
    tool: "search",
    definition:
      '{"annotations":{"readOnlyHint":true},"description":"Finds books.","inputSchema":{"properties":{"query":' +
      '{"default":null,"minLength":1,"type":"string"}},"type":"object"},"name":"search","title":"Search"}',
    sha256: "befe3f8579ee056013fcc163fea5ddecae6f7331cf15f666c30d3999a31a1e55",
  });
});

test.for([
  { what: "members in another order", listed: Object.fromEntries(Object.entries(SEARCH).toReversed()) },
  {
    what: "a number that is written in another way",
    listed: JSON.parse(JSON.stringify(SEARCH).replace(":1}", ":1.0}")),
  },
  { what: "what neither model nor client goes by", listed: { ...SEARCH, icons: [], _meta: { "example/build": 7 } } },
  { what: "a member that is not there", listed: { ...SEARCH, outputSchema: undefined } },
])("$what makes no other definition", ({ listed }) => {
  expect(digestOf(listed)).toBe(digestOf(SEARCH));
});

test.for([
  { what: "a space that nobody sees", listed: { ...SEARCH, description: "Finds books.\u200b" } },
  { what: "another writing of the same letter", listed: { ...SEARCH, title: "Se\u0061\u0301rch" } },
  { what: "a deep member of the schema", listed: { ...SEARCH, inputSchema: { type: "object", properties: {} } } },
  { what: "an annotation", listed: { ...SEARCH, annotations: { readOnlyHint: false } } },
  { what: "a schema of results", listed: { ...SEARCH, outputSchema: { type: "object" } } },
  { what: "null in place of nothing", listed: { ...SEARCH, outputSchema: null } },
  { what: "an order of a list", listed: { ...SEARCH, inputSchema: { required: ["b", "a"] } } },
])("$what makes another definition", ({ listed }) => {
  expect(digestOf(listed)).not.toBe(digestOf(SEARCH));
  expect(digestOf({ ...listed, inputSchema: { required: ["a", "b"] } })).not.toBe(digestOf(listed));
});

test("what has no name that a grant could have is no tool, nor is what nobody could read", () => {
  for (const name of [undefined, 7, "", "a b", "*", "x".repeat(129)])
    expect(digestOf({ ...SEARCH, name })).toBeUndefined();
  const nested = (levels: number) => ({
    ...SEARCH,
    inputSchema: JSON.parse(`${"[".repeat(levels)}${"]".repeat(levels)}`),
  });
  // The tool itself is the first level.
  expect(digestOf(nested(LIMITS.toolDefinitionDepthMax - 1))).toMatch(/^[0-9a-f]{64}$/);
  for (const levels of [LIMITS.toolDefinitionDepthMax, 200_000]) expect(digestOf(nested(levels))).toBeUndefined();
});

test("a report must be of the tool and of the digest that it names, and say nothing that is in no digest", () => {
  const { sha256 = "", definition: json = "" } = toolDefinitionOf(SEARCH) ?? {};
  const check = (own: object) => () => checkReportedDefinition({ tool: "search", sha256, json, ...own }, "tools[0]");
  expect(check({})()).toEqual(toolDefinitionOf(SEARCH));
  // Not canonical is as good: the broker writes it anew.
  expect(check({ json: JSON.stringify(SEARCH, undefined, 2) })()).toEqual(toolDefinitionOf(SEARCH));
  expect(check({ tool: "erase" })).toThrow("tools[0].definition_json: the definition of the tool");
  expect(check({ sha256: "00".repeat(32) })).toThrow("tools[0].definition_sha256");
  for (const other of ["", "[]", "null", "{", JSON.stringify({ ...SEARCH, icons: [] })]) {
    expect(check({ json: other })).toThrow("tools[0].definition_json: a JSON object with the members");
  }
});

test("a definition is bounded as it stands in an event, quotes escaped", () => {
  const of = (description: string) => ({ definition: JSON.stringify({ description }) });
  expect(isRecordable(of("x".repeat(LIMITS.toolDefinitionBytesMax - 100)))).toBe(true);
  expect(isRecordable(of('"'.repeat(LIMITS.toolDefinitionBytesMax / 3)))).toBe(false);
});
