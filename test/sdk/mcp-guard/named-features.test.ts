import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Features,
  featureHeaderOf,
  featuresSeen,
  featureUseOf,
  listsFeatures,
} from "../../../src/sdk/mcp-guard/named-features.ts";

const FEATURES: Features = {
  resources: [
    { name: "docs://public/secret", tool: "read_secret" },
    { name: "docs://public/*", tool: "read_docs" },
    { name: "memo://today", tool: "read_memo" },
  ],
  prompts: [{ name: "review", tool: "review" }],
};
const NONE: Features = { resources: [], prompts: [] };
const readOf = (uri: unknown) => featureUseOf(FEATURES, "resources/read", { uri })?.tool;

describe("what reading a resource takes is what the first of the names says that fits its URI", () => {
  test.for([
    ["docs://public/a/b", "read_docs"],
    ["docs://public/", "read_docs"],
    ["docs://public/secret", "read_secret"],
    ["docs://public/100%25", "read_docs"],
    ["docs://private/a", undefined],
    ["memo://today/2", undefined],
    ["DOCS://public/a", undefined],
    [7, undefined],
  ] as const)("%s: %s", ([uri, tool]) => {
    expect(readOf(uri)).toBe(tool);
  });

  test.for([
    "docs://public/../private/key",
    "docs://public/a/..",
    "docs://public/%2e%2e/key",
    "docs://public/%252E%252e/key",
    "docs://public/a%2f..%2f..%2fkey",
    "docs://public/a\\..\\key",
    "docs://public/%2E/key",
    "docs://public/%00",
    "docs://public/%zz/%2e%2e/key",
  ])("and nothing that leads back out of what is named: %s", (uri) => {
    expect(readOf(uri)).toBeUndefined();
  });

  // Goal: whatever a URI has written in it, a server that resolves its dots after decoding stays below what is named.
  test("whatever is put together from dots, strokes and their encodings", () => {
    const parts = ["..", ".", "/", "\\", "%2e", "%2E", "%2f", "%5c", "%25", "a", "2e", "5c", "2f"];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...parts), { maxLength: 12 }), (given) => {
        const uri = `docs://public/${given.join("")}`;
        if (readOf(uri) !== "read_docs") return;
        let path = uri.slice("docs://public/".length);
        for (let times = 0; times < 3; times += 1) {
          const resolved = new URL(`http://host/public/${path.replaceAll("\\", "/")}`).pathname;
          expect(resolved.startsWith("/public/")).toBe(true);
          path = path.replaceAll(/%([0-9a-f]{2})/gi, (_, code: string) =>
            String.fromCharCode(Number.parseInt(code, 16)),
          );
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

test.for([
  ["resources/subscribe", { uri: "memo://today" }, "read_memo"],
  ["prompts/get", { name: "review" }, "review"],
  ["prompts/get", { name: "else" }, undefined],
  ["completion/complete", { ref: { type: "ref/prompt", name: "review" } }, "review"],
  ["completion/complete", { ref: { type: "ref/resource", uri: "docs://public/{name}" } }, "read_docs"],
  ["completion/complete", { ref: { type: "ref/resource", uri: "docs://{name}" } }, undefined],
] as const)("%s of %j takes %s", ([method, params, tool]) => {
  expect(featureUseOf(FEATURES, method, params)).toMatchObject({ tool });
});

test("a method that names nothing, or whose kind is not told apart, is left to the list of methods", () => {
  expect(featureUseOf(FEATURES, "tools/list", {})).toBeUndefined();
  expect(featureUseOf(FEATURES, "toString", {})).toBeUndefined();
  expect(featureUseOf(NONE, "resources/read", { uri: "memo://today" })).toBeUndefined();
  expect([listsFeatures(FEATURES, "prompts/list"), listsFeatures(NONE, "prompts/list")]).toEqual([true, false]);
  expect(listsFeatures(FEATURES, "constructor")).toBe(false);
  expect(featureHeaderOf(FEATURES, "resources/read")).toBe("uri");
});

test("lists have what may be used: of a template, by the text before its first variable", () => {
  const seen = (result: Record<string, unknown>) => featuresSeen(FEATURES, result, (tool) => tool !== "read_memo");
  const resources = [{ uri: "docs://public/a" }, { uri: "memo://today" }, { uri: "docs://private" }, null, { uri: 1 }];
  expect(seen({ resources })).toEqual({ resources: [{ uri: "docs://public/a" }] });
  const templates = ["docs://public/{a}", "docs://{a}", "docs://public/a/{b}", "memo://today"];
  expect(seen({ resourceTemplates: templates.map((uriTemplate) => ({ uriTemplate })) })).toEqual({
    resourceTemplates: [{ uriTemplate: "docs://public/{a}" }, { uriTemplate: "docs://public/a/{b}" }],
  });
  expect(seen({ prompts: [{ name: "review" }, { name: "else" }], nextCursor: "c" })).toEqual({
    prompts: [{ name: "review" }],
    nextCursor: "c",
  });
});
