import { expect, test } from "vitest";
import type { GuardSettings } from "../../../src/sdk/mcp-guard/guard-settings.ts";
import { resultViewOf } from "../../../src/sdk/mcp-guard/visible-features.ts";
import type { VerifiedStep } from "../../../src/sdk/verifier/index.ts";

// Of servers that are not of the official SDK, and of features that it has not yet.

const step = { audience: "https://mcp.example.org/mcp", grant: [] } as unknown as VerifiedStep;

function seen(method: string, modern: boolean, result: object, otherMethods: readonly string[] = []): unknown {
  const settings = { tools: new Map(), otherMethods } as unknown as GuardSettings;
  return resultViewOf(settings, step, method, modern)?.({ ...result });
}

test.for([
  { wire: "2026-07-28", modern: true, result: { tools: [] }, is: { tools: [], cacheScope: "private" } },
  { wire: "2025-11-25", modern: false, result: { tools: [] }, is: { tools: [] } },
  {
    wire: "2025-11-25",
    modern: false,
    result: { tools: [], cacheScope: "public" },
    is: { tools: [], cacheScope: "private" },
  },
  { wire: "2025-11-25", modern: false, result: { tools: [null, 1, { name: 1 }] }, is: { tools: [] } },
  { wire: "2025-11-25", modern: false, result: { tools: { a: { name: "search" } } }, is: { tools: [] } },
])("on the wire of $wire the list $result is shown as $is", ({ modern, result, is }) => {
  expect(seen("tools/list", modern, result)).toEqual(is);
});

const TASKS = { "io.modelcontextprotocol/tasks": {} };
const OTHER = { "com.example/other": { listChanged: true } };

type Case = { readonly otherMethods: readonly string[]; readonly has: object; readonly shows: object };

test.for<Case>([
  { otherMethods: [], has: { extensions: { ...TASKS, ...OTHER }, tasks: {} }, shows: { extensions: OTHER } },
  { otherMethods: ["tasks/get"], has: { extensions: TASKS, tasks: {} }, shows: { extensions: TASKS, tasks: {} } },
  { otherMethods: [], has: { experimental: { a: 1 }, new: true }, shows: { experimental: { a: 1 }, new: true } },
  { otherMethods: [], has: { constructor: {} }, shows: { constructor: {} } },
  { otherMethods: [], has: { tools: { listChanged: true } }, shows: { tools: {} } },
  { otherMethods: ["subscriptions/*"], has: { tools: { listChanged: true } }, shows: { tools: { listChanged: true } } },
])("with $otherMethods let through, $has is shown as $shows", ({ otherMethods, has, shows }) => {
  expect(seen("server/discover", true, { capabilities: has }, otherMethods)).toEqual({ capabilities: shows });
});

test("other results, and what is no list of capabilities, stay as they are", () => {
  expect(seen("tools/call", true, {})).toBeUndefined();
  expect(seen("initialize", false, { capabilities: null })).toEqual({ capabilities: null });
});
