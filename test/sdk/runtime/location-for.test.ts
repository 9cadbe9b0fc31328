import { describe, expect, test } from "vitest";
import { locationFor } from "../../../src/sdk/runtime/location-for.ts";

const GRANTED = [
  "https://mcp.example.com/mcp",
  "https://mcp.example.com/mcp/admin",
  "https://api.example.com",
  "https://mcp.example.com/tenant?id=1",
];

describe("the granted location of a URL", () => {
  test.for([
    { url: "https://mcp.example.com/mcp", is: "https://mcp.example.com/mcp" },
    { url: "https://mcp.example.com/mcp?x=1#top", is: "https://mcp.example.com/mcp" },
    { url: "https://mcp.example.com/mcp/search", is: "https://mcp.example.com/mcp" },
    { url: "https://mcp.example.com/mcp/admin/users", is: "https://mcp.example.com/mcp/admin" },
    { url: "https://MCP.example.com:443/mcp", is: "https://mcp.example.com/mcp" },
    { url: "https://api.example.com/anything/at/all", is: "https://api.example.com" },
    { url: "https://api.example.com/group%2Fproject", is: "https://api.example.com" },
    { url: "https://mcp.example.com/tenant?id=1", is: "https://mcp.example.com/tenant?id=1" },
  ])("$url is the longest that is a prefix by whole segments", ({ url, is }) => {
    expect(locationFor(new URL(url), GRANTED)).toBe(is);
  });

  test.for([
    { why: "another path that begins alike", url: "https://mcp.example.com/mcpx" },
    { why: "a path above", url: "https://mcp.example.com/" },
    { why: "dot segments out of it", url: "https://mcp.example.com/mcp/../other" },
    { why: "encoded dot segments", url: "https://mcp.example.com/mcp/%2e%2e/other" },
    { why: "dot segments behind encoded slashes", url: "https://mcp.example.com/mcp/a%2f..%2f..%2fother" },
    { why: "dot segments behind backslashes", url: "https://mcp.example.com/mcp/..%5cother" },
    { why: "another scheme", url: "http://mcp.example.com/mcp" },
    { why: "another port", url: "https://mcp.example.com:8443/mcp" },
    { why: "another host that ends alike", url: "https://evil-mcp.example.com/mcp" },
    { why: "another host that begins alike", url: "https://mcp.example.com.evil.org/mcp" },
    { why: "user information", url: "https://mcp.example.com@evil.org/mcp" },
    { why: "a trailing dot", url: "https://mcp.example.com./mcp" },
    { why: "another query", url: "https://mcp.example.com/tenant?id=1&id=2" },
    { why: "a scheme without origin", url: "data:text/plain,mcp" },
  ])("is none for $why", ({ url }) => expect(locationFor(new URL(url), GRANTED)).toBeUndefined());

  test("is none where a scheme has no origin, although all such origins print alike", () => {
    expect(locationFor(new URL("file:///mcp"), ["data:text/plain,mcp", "file:///mcp"])).toBeUndefined();
  });
});
