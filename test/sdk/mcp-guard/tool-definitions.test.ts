import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/domain/strict-json.ts";
import { createToolDefinitions } from "../../../src/sdk/mcp-guard/tool-definitions.ts";
import {
  type ToolDefinition,
  type ToolVerdict,
  toolDefinitionOf,
  VerificationError,
  type VerifiedStep,
} from "../../../src/sdk/verifier/index.ts";

// What a guard makes of the lists that it sees and of what the broker says, apart from both.

const RESOURCE = "https://mcp.example.org/mcp";
const stepNamed = (name: string, grant: VerifiedStep["grant"] = []) =>
  ({ spiffeId: `spiffe://example.org/agent/a/run/${name}/step/s/1`, audience: RESOURCE, grant }) as VerifiedStep;
const [ADA, BOB] = [stepNamed("ada"), stepNamed("bob")];

const tool = (description: string, name = "search") => ({ name, description, inputSchema: { type: "object" } });
const OLD = tool("old");
const NEW = tool("new");
const digestOf = (listed: object) => toolDefinitionOf(listed as JsonObject)?.sha256 ?? "";
const list = (...tools: readonly unknown[]): JsonObject => ({ tools });

/** Definitions as a guard keeps them, with a broker that pins what it is told to. */
function scene(own: { readonly pins?: boolean; readonly looksFirst?: boolean } = {}) {
  let nowMs = 0;
  const verdicts = new Map<string, ToolVerdict>();
  const asked: string[][] = [];
  const refused: string[] = [];
  const errors: unknown[] = [];
  let failing: Error | undefined;
  const ask = async (tools: readonly ToolDefinition[]) => {
    asked.push(tools.map(({ sha256 }) => sha256));
    if (failing !== undefined) throw failing;
    return new Map(tools.map(({ tool: name, sha256 }) => [name, verdicts.get(sha256) ?? "pinned"] as const));
  };
  const definitions = createToolDefinitions({
    resource: RESOURCE,
    declared: new Map([
      ["search", {}],
      ["erase", {}],
    ]),
    ask: own.pins === false ? undefined : ask,
    looksFirst: own.looksFirst ?? false,
    refused: (name, verdict) => void refused.push(`${name} ${verdict}`),
    onError: (thrown) => void errors.push(thrown),
    nowMs: () => nowMs,
  });
  let listed = 0;
  /** The server's own list, as pages. */
  const server =
    (...pages: readonly JsonObject[]) =>
    async (page: (result: JsonObject, isFirst: boolean) => Promise<void>) => {
      listed += 1;
      await nextTurn();
      for (const [index, result] of pages.entries()) await page(result, index === 0);
    };
  const down = async () => {
    listed += 1;
    await nextTurn();
    throw new TypeError("the server does not answer tools/list");
  };
  return {
    definitions,
    verdicts,
    asked,
    refused,
    errors,
    server,
    down,
    lists: () => listed,
    pass: (ms: number) => {
      nowMs += ms;
    },
    fail: (error: Error | undefined) => {
      failing = error;
    },
  };
}

const refusalOf = (check: () => void) => {
  try {
    check();
    return "accepted";
  } catch (thrown) {
    if (!(thrown instanceof VerificationError)) throw thrown;
    return thrown.metadata["definition"] ?? thrown.code;
  }
};

describe("a tool that nobody was shown yet", () => {
  test("is looked up before its first call, once for all, and refused where the server has none", async () => {
    const { definitions, server, lists } = scene();
    await definitions.look("search", ADA, server(list(OLD)));
    expect(refusalOf(() => definitions.check("search", ADA, true))).toBe("accepted");
    await definitions.look("search", BOB, server(list(OLD)));
    await definitions.look("erase", ADA, server(list(OLD)));
    expect(refusalOf(() => definitions.check("erase", ADA, true))).toBe("unseen");
    await definitions.look("erase", ADA, server(list(OLD)));
    expect(lists()).toBe(1);
  });

  test("of many steps at one time, the server is asked once", async () => {
    const { definitions, server, down, lists } = scene();
    const steps = Array.from({ length: 20 }, (_, index) => stepNamed(`s-${index}`));
    await Promise.all(steps.map((step) => definitions.look("search", step, down)));
    expect(lists()).toBe(1);
    for (const step of steps) expect(refusalOf(() => definitions.check("search", step, true))).toBe("UNAVAILABLE");
    await Promise.all(steps.map((step) => definitions.look("search", step, server(list(OLD)))));
    expect(lists()).toBe(2);
    for (const step of steps) expect(refusalOf(() => definitions.check("search", step, true))).toBe("accepted");
  });

  test("is refused where the server does not say what it has, and asked for again", async () => {
    const { definitions, down, server, lists } = scene();
    await definitions.look("search", ADA, down);
    expect(refusalOf(() => definitions.check("search", ADA, true))).toBe("UNAVAILABLE");
    await definitions.look("search", ADA, server(list(OLD)));
    expect(refusalOf(() => definitions.check("search", ADA, true))).toBe("accepted");
    expect(lists()).toBe(2);
  });

  test("need not be there for what takes its grant and is no call of it", async () => {
    const { definitions, server } = scene();
    await definitions.look("erase", ADA, server(list(OLD)));
    expect(refusalOf(() => definitions.check("erase", ADA, false))).toBe("accepted");
  });

  test("is not looked up where nothing is pinned, but for a step whose grant is for one definition", async () => {
    const { definitions, server, lists } = scene({ pins: false });
    await definitions.look("search", ADA, server(list(OLD)));
    expect(lists()).toBe(0);
    const element = { type: "mcp_tool", locations: [RESOURCE], identifier: "search" } as const;
    const grant = [
      { ...element, actions: ["read"], datatypes: ["internal"], definition_sha256: digestOf(OLD) },
    ] as const;
    await definitions.look("search", stepNamed("bound", grant), server(list(OLD)));
    expect(lists()).toBe(1);
    expect(definitions.digest("search", ADA)).toBe(digestOf(OLD));
    expect(refusalOf(() => definitions.check("search", ADA, true))).toBe("accepted");
  });
});

describe("a definition that is not the pinned one", () => {
  test("is neither shown nor called, whoever was shown the other one; and is told of once", async () => {
    const { definitions, verdicts, refused } = scene();
    verdicts.set(digestOf(NEW), "changed");
    await definitions.listed(list(OLD), ADA, true);
    await definitions.listed(list(NEW), BOB, true);
    await definitions.listed(list(NEW), BOB, true);
    expect([definitions.isShown("search", ADA), definitions.isShown("search", BOB)]).toEqual([true, false]);
    expect(refusalOf(() => definitions.check("search", ADA, true))).toBe("accepted");
    expect(refusalOf(() => definitions.check("search", BOB, true))).toBe("changed");
    // Who was shown nothing counts as shown what anybody was shown last.
    expect(refusalOf(() => definitions.check("search", stepNamed("eve"), true))).toBe("changed");
    expect(refused).toEqual(["search changed"]);
  });

  test("is served within a second once an operator has accepted it", async () => {
    const { definitions, verdicts, server, pass } = scene();
    verdicts.set(digestOf(NEW), "waiting");
    await definitions.listed(list(NEW), ADA, true);
    expect(refusalOf(() => definitions.check("search", ADA, true))).toBe("waiting");
    verdicts.set(digestOf(NEW), "pinned");
    await definitions.look("search", ADA, server());
    expect(refusalOf(() => definitions.check("search", ADA, true))).toBe("waiting");
    pass(1_001);
    await definitions.look("search", ADA, server());
    expect(refusalOf(() => definitions.check("search", ADA, true))).toBe("accepted");
  });

  test("is found out by the next call but one where it was pinned before, and by the next one after a minute", async () => {
    const { definitions, verdicts, server, pass } = scene();
    await definitions.listed(list(OLD), ADA, true);
    verdicts.set(digestOf(OLD), "changed");
    pass(10_001);
    await definitions.look("search", ADA, server());
    await Promise.resolve();
    await definitions.look("search", ADA, server());
    expect(refusalOf(() => definitions.check("search", ADA, true))).toBe("changed");

    verdicts.set(digestOf(OLD), "pinned");
    pass(1_001);
    await definitions.look("search", ADA, server());
    verdicts.set(digestOf(OLD), "changed");
    pass(60_001);
    await definitions.look("search", ADA, server());
    expect(refusalOf(() => definitions.check("search", ADA, true))).toBe("changed");
  });
});

describe("a list in which a name stands twice", () => {
  const twice = [
    { how: "on one page", pages: [list(OLD, NEW)] },
    { how: "on two pages", pages: [list(OLD), list(NEW)] },
    { how: "the pinned one last", pages: [list(NEW), list(OLD)] },
    { how: "once in a way that nobody can read", pages: [list(OLD, { ...OLD, inputSchema: deep() })] },
  ];
  test.for(twice)("$how has no such tool, until a list has it once", async ({ pages }) => {
    const { definitions } = scene();
    for (const [index, page] of pages.entries()) await definitions.listed(page, ADA, index === 0);
    expect(definitions.isShown("search", ADA)).toBe(false);
    expect(definitions.digest("search", ADA)).toBeUndefined();
    expect(refusalOf(() => definitions.check("search", ADA, true))).toBe("ambiguous");
    await definitions.listed(list(OLD), ADA, true);
    expect(refusalOf(() => definitions.check("search", ADA, true))).toBe("accepted");
  });

  test("with the same definition is as if it stood there once", async () => {
    const { definitions } = scene();
    await definitions.listed(list(OLD, { ...OLD }), ADA, true);
    expect(refusalOf(() => definitions.check("search", ADA, true))).toBe("accepted");
  });
});

test("where the broker gives no answer, what it said counts for two minutes, and nothing new is let through", async () => {
  const { definitions, server, fail, pass, errors } = scene();
  await definitions.listed(list(OLD), ADA, true);
  fail(new VerificationError("UNAVAILABLE", "the broker does not answer"));
  await definitions.listed(list(NEW), BOB, true);
  expect(definitions.isShown("search", BOB)).toBe(false);
  expect(refusalOf(() => definitions.check("search", BOB, true))).toBe("UNAVAILABLE");
  pass(119_000);
  await definitions.look("search", ADA, server());
  expect(refusalOf(() => definitions.check("search", ADA, true))).toBe("accepted");
  pass(2_000);
  await definitions.look("search", ADA, server());
  expect(refusalOf(() => definitions.check("search", ADA, true))).toBe("UNAVAILABLE");
  expect(errors.length).toBeGreaterThan(0);
  fail(undefined);
  await definitions.look("search", ADA, server());
  expect(refusalOf(() => definitions.check("search", ADA, true))).toBe("accepted");
});

test("a list that is asked for again and again has the broker asked once a second about what is refused, and once a minute else", async () => {
  const { definitions, verdicts, asked, pass } = scene();
  verdicts.set(digestOf(NEW), "changed");
  const both = list(NEW, tool("erases", "erase"));
  for (let times = 0; times < 100; times += 1) await definitions.listed(both, ADA, true);
  expect(asked).toHaveLength(1);
  pass(1_001);
  await definitions.listed(both, ADA, true);
  expect(asked.slice(1)).toEqual([[digestOf(NEW)]]);
  pass(60_000);
  await definitions.listed(both, ADA, true);
  expect(asked.at(-1)).toHaveLength(2);
});

test("of a million tools, those that may be called are looked at, and the broker is asked about each once", async () => {
  const { definitions, asked } = scene();
  const others = Array.from({ length: 1_000_000 }, (_, index) => ({ name: `tool-${index}` }));
  await definitions.listed({ tools: [...others, OLD] }, ADA, true);
  await definitions.listed(list(OLD), BOB, true);
  expect(asked).toEqual([[digestOf(OLD)]]);
  expect(definitions.digest("tool-1", ADA)).toBeUndefined();
});

test("a server that shows another definition each time has no more than a few of them kept", async () => {
  const { definitions, verdicts } = scene();
  for (let count = 0; count < 50; count += 1) {
    const shown = tool(String(count));
    verdicts.set(digestOf(shown), "changed");
    await definitions.listed(list(shown), ADA, true);
    expect(refusalOf(() => definitions.check("search", ADA, true))).toBe("changed");
  }
  await definitions.listed(list(OLD), ADA, true);
  expect(refusalOf(() => definitions.check("search", ADA, true))).toBe("accepted");
});

function deep(): unknown {
  return JSON.parse(`${"[".repeat(200_000)}${"]".repeat(200_000)}`);
}
