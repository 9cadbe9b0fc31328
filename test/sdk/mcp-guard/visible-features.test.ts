import { expect, test } from "vitest";
import type { GuardSettings } from "../../../src/sdk/mcp-guard/guard-settings.ts";
import { createToolDefinitions } from "../../../src/sdk/mcp-guard/tool-definitions.ts";
import { repeatedResultViewOf, resultViewOf } from "../../../src/sdk/mcp-guard/visible-features.ts";
import type { VerifiedStep } from "../../../src/sdk/verifier/index.ts";

// Of servers that are not of the official SDK, and of features that it has not yet.

const step = { audience: "https://mcp.example.org/mcp", grant: [] } as unknown as VerifiedStep;

const definitions = createToolDefinitions({
  resource: step.audience,
  declared: new Map(),
  looksFirst: false,
  refused: () => undefined,
  onError: () => undefined,
  nowMs: () => 0,
});
const settingsOf = (otherMethods: readonly string[]) =>
  ({
    tools: new Map(),
    definitions,
    listAsShown: (result: object) => result,
    otherMethods,
    features: { resources: [], prompts: [] },
  }) as unknown as GuardSettings;

async function seen(
  method: string,
  modern: boolean,
  result: object,
  otherMethods: readonly string[] = [],
  inSession = false,
): Promise<unknown> {
  return resultViewOf(settingsOf(otherMethods), step, { method, isFirst: true }, modern)?.({ ...result }, inSession);
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
])("on the wire of $wire the list $result is shown as $is", async ({ modern, result, is }) => {
  expect(await seen("tools/list", modern, result)).toEqual(is);
});

const TASKS = { "io.modelcontextprotocol/tasks": {} };
const NEWS = { listChanged: true };
const OTHER = { "com.example/other": { listChanged: true } };

type Case = { readonly otherMethods: readonly string[]; readonly has: object; readonly shows: object };

test.for<Case>([
  { otherMethods: [], has: { extensions: { ...TASKS, ...OTHER }, tasks: {} }, shows: { extensions: OTHER } },
  { otherMethods: ["tasks/get"], has: { extensions: TASKS, tasks: {} }, shows: { extensions: TASKS, tasks: {} } },
  { otherMethods: [], has: { experimental: { a: 1 }, new: true }, shows: { experimental: { a: 1 }, new: true } },
  { otherMethods: [], has: { constructor: {} }, shows: { constructor: {} } },
  { otherMethods: [], has: { tools: { listChanged: true } }, shows: { tools: {} } },
  { otherMethods: ["subscriptions/*"], has: { tools: { listChanged: true } }, shows: { tools: { listChanged: true } } },
])("with $otherMethods let through, $has is shown as $shows", async ({ otherMethods, has, shows }) => {
  expect(await seen("server/discover", true, { capabilities: has }, otherMethods)).toEqual({ capabilities: shows });
});

test("other results, and what is no list of capabilities, stay as they are", async () => {
  expect(await seen("tools/call", true, {})).toBeUndefined();
  expect(await seen("initialize", false, { capabilities: null })).toEqual({ capabilities: null });
});

test.for([
  { otherMethods: ["resources/read"], inSession: false, shows: { tools: {}, resources: {} } },
  { otherMethods: ["resources/read"], inSession: true, shows: { tools: NEWS, resources: NEWS } },
  { otherMethods: ["resources/*"], inSession: true, shows: { tools: NEWS, resources: { ...NEWS, subscribe: true } } },
])(
  "before 2026-07-28, news are promised in a session alone: $otherMethods, $inSession",
  async ({ shows, ...terms }) => {
    const capabilities = { tools: NEWS, resources: { ...NEWS, subscribe: true } };
    expect(await seen("initialize", false, { capabilities }, terms.otherMethods, terms.inSession)).toEqual({
      capabilities: shows,
    });
  },
);

test.for([
  { what: "a list of tools", result: { tools: [{ name: "search" }] }, is: { tools: [] } },
  {
    what: "an initialization",
    result: { protocolVersion: "2025-11-25", capabilities: { prompts: {} } },
    is: { protocolVersion: "2025-11-25", capabilities: {} },
  },
  { what: "a call", result: { content: [], tools: ["hammer"] }, is: { content: [], tools: ["hammer"] } },
])("$what that a session's stream repeats shows no more than the answer itself", async ({ result, is }) => {
  expect(await repeatedResultViewOf(settingsOf([]), step)(result, true)).toEqual(is);
});
