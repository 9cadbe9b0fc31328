import { expect, test } from "vitest";
import { areEvaluable, isWithin } from "../../src/verify/name-constraints.ts";

const name = (kind: number, text: string) => ({ kind, content: new Uint8Array(Buffer.from(text)) });
const dns = (text: string) => name(2, text);
const uri = (text: string) => name(6, text);

test("constraints on the hosts of URIs can be held against names, and whatever has another in it can't", () => {
  for (const host of ["example.org", ".example.org", "EXAMPLE.org", "a-b_c.example", "host"]) {
    expect(areEvaluable({ permitted: [uri(host)], excluded: [] }), host).toBe(true);
    expect(areEvaluable({ permitted: [], excluded: [uri(host)] }), host).toBe(true);
  }
  for (const other of [
    dns("example.org"),
    ...[
      "spiffe://example.org",
      "example.org/",
      "example.org:443",
      "*.example.org",
      " example.org",
      "example.org.",
      "",
    ].map(uri),
  ]) {
    expect(areEvaluable({ permitted: [uri("example.org"), other], excluded: [] })).toBe(false);
    expect(areEvaluable({ permitted: [], excluded: [uri("example.org"), other] })).toBe(false);
  }
});

test("names of another kind are not constrained by them", () => {
  const constraints = { permitted: [uri("example.org")], excluded: [uri("evil.example")] };
  expect(isWithin([uri("spiffe://example.org/a"), dns("evil.example")], constraints)).toBe(true);
  expect(isWithin([], constraints)).toBe(true);
});

test("a leading dot is for all that lies below, and not for a host that is written so itself", () => {
  const below = { permitted: [uri(".example.org")], excluded: [] };
  expect(isWithin([uri("spiffe://a.example.org/x")], below)).toBe(true);
  expect(isWithin([uri("spiffe://example.org/x")], below)).toBe(false);
  expect(isWithin([uri("spiffe://.example.org/x")], below)).toBe(false);
});

test.for(["urn:spiffe://example.org/a", " spiffe://example.org/a", "1spiffe://example.org/a", "example.org", ""])(
  "what is not a URI from its first character on has no host, and so is inside of nothing: %j",
  (text) => {
    expect(isWithin([uri(text)], { permitted: [uri("example.org")], excluded: [] })).toBe(false);
    expect(isWithin([uri(text)], { permitted: [], excluded: [uri("evil.example")] })).toBe(false);
  },
);
