import { expect, test } from "vitest";
import { normalizeTargetUri, withoutQuery } from "../../src/verify/target-uri.ts";

test.for([
  { a: "https://mcp.example.org/tools", b: "HTTPS://MCP.example.org:443/tools", is: "scheme, host and default port" },
  { a: "http://localhost:80/a", b: "http://localhost/a", is: "plain HTTP with its default port" },
  { a: "https://mcp.example.org", b: "https://mcp.example.org/", is: "no path and a slash" },
  { a: "https://mcp.example.org/%7eme", b: "https://mcp.example.org/~me", is: "an escape that was not needed" },
  { a: "https://mcp.example.org/a%2fb", b: "https://mcp.example.org/a%2Fb", is: "an escape in either case" },
  { a: "https://mcp.example.org/a/./b", b: "https://mcp.example.org/a/b", is: "a dot segment" },
])("two ways to write one target are one: $is", ({ a, b }) => {
  const normal = normalizeTargetUri(a);
  expect(normal).toBeDefined();
  expect(normalizeTargetUri(b)).toBe(normal);
});

test.for([
  { a: "https://mcp.example.org/a%2Fb", b: "https://mcp.example.org/a/b", is: "an escape that was needed" },
  { a: "https://mcp.example.org/a", b: "https://mcp.example.org/A", is: "the case of a path" },
  { a: "https://mcp.example.org/a", b: "https://mcp.example.org/a/", is: "a slash at the end" },
  { a: "https://mcp.example.org/a", b: "http://mcp.example.org/a", is: "the scheme" },
  { a: "https://mcp.example.org/a", b: "https://mcp.example.org:8443/a", is: "the port" },
])("two targets that differ in $is are two", ({ a, b }) => {
  expect(normalizeTargetUri(a)).toBeDefined();
  expect(normalizeTargetUri(b)).toBeDefined();
  expect(normalizeTargetUri(a)).not.toBe(normalizeTargetUri(b));
});

test.for([
  "",
  "nowhere",
  "/tools",
  "ftp://mcp.example.org/a",
  "urn:https://mcp.example.org/a",
  "xhttps://mcp.example.org/a",
  "https:///a",
  "https://[::1/a",
  "https://u@mcp.example.org/a",
  "https://:p@mcp.example.org/a",
  "https://mcp.example.org/a b",
  "https://mcp.example.org/%",
  "https://mcp.example.org/%4",
  "https://mcp.example.org/%4g",
  "https://mcp.example.org/a?b",
  "https://mcp.example.org/a#b",
])("is no target of a request: %j", (text) => {
  expect(normalizeTargetUri(text)).toBeUndefined();
});

test("query and fragment are left out of a request's URL, whatever is in them", () => {
  for (const rest of ["", "?", "?a=b", "#c", "?a=b#c", "#c?a", "?a=\nb"]) {
    expect(withoutQuery(`https://mcp.example.org/a${rest}`)).toBe("https://mcp.example.org/a");
  }
});
