import { describe, expect, test } from "vitest";
import { audienceOf, grantOf, scopesOf } from "../../src/verify/registered-claims.ts";

const MCP = "https://mcp.example.org";
const FILES = "https://files.example.org";
const search = { type: "mcp_tool", locations: [MCP], identifier: "search", actions: ["read"], datatypes: ["internal"] };
const invalid = expect.objectContaining({ code: "CLAIMS_INVALID" });

describe("a token for several audiences", () => {
  const several = { aud: [FILES, MCP] };
  const asked = { audiences: [MCP], allowSeveralAudiences: true };

  test("is taken by whoever allows it, and is for the one that is asked for", () => {
    expect(audienceOf(several, asked)).toBe(MCP);
    expect(() => audienceOf(several, { audiences: [MCP] })).toThrow(
      expect.objectContaining({ code: "AUDIENCE_MISMATCH" }),
    );
  });

  test.for([
    { what: "a grant", claims: { authorization_details: [search] } },
    { what: "a grant of nothing", claims: { authorization_details: [] } },
    { what: "a scope", claims: { scope: "mcp:tool:search" } },
    { what: "an empty scope", claims: { scope: "" } },
  ])("grants nothing: with $what it is refused", ({ claims }) => {
    expect(() => audienceOf({ ...several, ...claims }, asked)).toThrow(invalid);
    expect(audienceOf({ aud: [MCP], ...claims }, asked)).toBe(MCP);
  });
});

test.for([
  { scope: undefined, scopes: [] },
  { scope: "", scopes: [] },
  { scope: "mcp:tool:search", scopes: ["mcp:tool:search"] },
  { scope: "mcp:tool:search mcp:tool:write_file x", scopes: ["mcp:tool:search", "mcp:tool:write_file", "x"] },
])("scope $scope is the words $scopes", ({ scope, scopes }) => {
  expect(scopesOf({ scope })).toEqual(scopes);
});

test.for([" a", "a ", "a  b", "a\tb", 'a "b', "a \\b", "a b\u00e4", 7, ["a"], null])(
  "scope %j is not words joined by single spaces",
  (scope) => {
    expect(() => scopesOf({ scope })).toThrow(invalid);
  },
);

test("a token's grant names its locations: any location is for ceilings", () => {
  expect(grantOf({})).toEqual([]);
  expect(grantOf({ authorization_details: [search] })).toEqual([search]);
  expect(() => grantOf({ authorization_details: [{ ...search, locations: ["*"] }] })).toThrow(invalid);
  expect(() => grantOf({ authorization_details: [{ ...search, type: "payment" }] })).toThrow(invalid);
});
