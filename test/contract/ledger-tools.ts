import { expect, test } from "vitest";
import type { ToolAccepted, ToolChanged, ToolSeen } from "../../src/domain/ledger-event.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { type ToolDefinition, toolDefinitionOf } from "../../src/domain/tool-definition.ts";
import type { AcceptToolAct, ReportToolsAct } from "../../src/ports/tool-acts.ts";
import { APPROVER } from "./approval-acts.ts";
import { done, present, type World } from "./ledger-world.ts";

/** What the ledger promises of tools' definitions: one is pinned, what is known is not recorded again, and nothing grows without end. */
export function toolsContract(worldOf: () => World): void {
  const BY = { kind: "entry", entryId: "entry_guard", process: "p" } as const;
  const refusal = (field: string) =>
    expect.objectContaining({ kind: "denial", code: "INVALID_FIELD", metadata: { field } });

  /** A server that no other test has. */
  const server = (world: World) => `https://${world.name()}.example/mcp`;
  const defined = (name: string, description: string): ToolDefinition =>
    present(toolDefinitionOf({ name, description, inputSchema: { type: "object" } }));
  const report = (
    world: World,
    location: string,
    tools: readonly ToolDefinition[],
    own: Partial<ReportToolsAct> = {},
  ) =>
    world.ledger.perform({
      act: "report-tools",
      location,
      tools,
      pinsFirst: true,
      by: BY,
      now: world.clock.now(),
      ...own,
    });
  const accept = (world: World, location: string, { tool, sha256 }: ToolDefinition, own: Partial<AcceptToolAct> = {}) =>
    world.ledger.perform({
      ...({ act: "accept-tool", location, tool, sha256, reason: "looked at", by: APPROVER } as const),
      now: world.clock.now(),
      ...own,
    });
  const eventOf = async (world: World, sequence: number) => {
    const [event] = await world.store.history.events({ after: sequence - 1, oldestFirst: true, limit: 1 });
    return JSON.parse(Buffer.from(present(event).canonical).toString()) as ToolSeen | ToolChanged | ToolAccepted;
  };

  test("the first definition is pinned, another changes the tool, and accepting it pins that one", async () => {
    const world = worldOf();
    const location = server(world);
    const [old, next] = [defined("search", "Finds books."), defined("search", "Finds books and tells them.")];
    const first = await report(world, location, [old]);
    expect(first.tools).toEqual([{ tool: "search", state: "pinned", pinned: old.sha256, isRecorded: true }]);
    expect(await eventOf(world, first.sequence)).toMatchObject({
      type: "tool.seen",
      pinned: true,
      tool: { location, ...old },
      by: BY,
    });

    const changed = await report(world, location, [next]);
    expect(changed.tools).toEqual([{ tool: "search", state: "changed", pinned: old.sha256, isRecorded: true }]);
    expect(await eventOf(world, changed.sequence)).toMatchObject({ type: "tool.changed", pinned: old.sha256 });
    expect(await world.store.tools.tool(location, "search")).toMatchObject({
      state: "changed",
      pinned: old.sha256,
      newest: next.sha256,
      definitions: 2,
    });

    const { sequence } = done(await accept(world, location, next));
    expect(await eventOf(world, sequence)).toMatchObject({
      type: "tool.accepted",
      sha256: next.sha256,
      pinned: old.sha256,
      reason: "looked at",
      by: APPROVER,
    });
    expect(await world.store.tools.tool(location, "search")).toMatchObject({
      state: "pinned",
      pinned: next.sha256,
      acceptedBy: APPROVER.entryId,
    });
    expect((await report(world, location, [old])).tools).toMatchObject([{ state: "changed", pinned: next.sha256 }]);
  });

  test("where operators accept all, a first definition waits, and so does the next one", async () => {
    const world = worldOf();
    const location = server(world);
    const [one, other] = [defined("search", "one"), defined("search", "other")];
    expect((await report(world, location, [one], { pinsFirst: false })).tools).toEqual([
      { tool: "search", state: "waiting", isRecorded: true },
    ]);
    // What was seen under the other setting stays as it was.
    expect((await report(world, location, [other])).tools).toMatchObject([{ state: "waiting", isRecorded: true }]);
    expect(await world.store.tools.tool(location, "search")).toMatchObject({ state: "waiting", definitions: 2 });
    done(await accept(world, location, one));
    expect(await world.store.tools.tool(location, "search")).toMatchObject({ state: "pinned", newest: one.sha256 });
  });

  test("what is known is not recorded again, whichever of two servers shows it and how often", async () => {
    const world = worldOf();
    const location = server(world);
    const [old, next] = [defined("search", "old"), defined("search", "next")];
    await report(world, location, [old]);
    const { sequence } = await report(world, location, [next]);
    for (const shown of [old, next, old, next]) {
      expect((await report(world, location, [shown])).sequence).toBe(0);
    }
    expect(world.ledger.head().sequence).toBe(sequence);
    done(await accept(world, location, next));
    // What was pinned before is kept: a server that is behind does not change the tool once more.
    expect((await report(world, location, [old])).sequence).toBe(0);
    expect(await world.store.tools.tool(location, "search")).toMatchObject({ state: "pinned", definitions: 2 });
    expect(done(await accept(world, location, next)).sequence).toBe(0);
  });

  test("a definition is accepted by its digest, and none that nobody was shown", async () => {
    const world = worldOf();
    const location = server(world);
    const shown = defined("search", "shown");
    await report(world, location, [shown]);
    expect(await accept(world, location, defined("search", "never shown"))).toEqual(refusal("definition_sha256"));
    expect(await accept(world, location, defined("erase", "shown"))).toEqual(refusal("tool"));
    expect(await accept(world, server(world), shown)).toEqual(refusal("tool"));
  });

  test("a server that changes a tool each time fills no ledger, and what it shows then is no longer accepted", async () => {
    const world = worldOf();
    const location = server(world);
    const versions = Array.from({ length: LIMITS.toolDefinitionsMax + 3 }, (_, index) => defined("search", `${index}`));
    for (const version of versions) await report(world, location, [version]);
    const { sequence } = world.ledger.head();
    const last = present(versions.at(-1));
    expect((await report(world, location, [last])).tools).toMatchObject([{ state: "changed", isRecorded: false }]);
    expect(world.ledger.head().sequence).toBe(sequence);
    expect(await accept(world, location, last)).toEqual(refusal("definition_sha256"));
    expect(await world.store.tools.definitions(location, "search")).toHaveLength(LIMITS.toolDefinitionsMax);

    // Once an operator has looked, there is room again.
    done(await accept(world, location, present(versions[3])));
    expect(await world.store.tools.definitions(location, "search")).toHaveLength(2);
    expect((await report(world, location, [last])).tools).toMatchObject([{ state: "changed", isRecorded: true }]);
  });

  test("a location has so many tools and no more, and others go on", async () => {
    const world = worldOf();
    const [location, other] = [server(world), server(world)];
    const tools = Array.from({ length: LIMITS.toolsPerLocationMax + 1 }, (_, index) => defined(`tool-${index}`, "one"));
    const { tools: reported } = await report(world, location, tools);
    expect(reported.at(-2)).toMatchObject({ state: "pinned", isRecorded: true });
    expect(reported.at(-1)).toEqual({
      tool: `tool-${LIMITS.toolsPerLocationMax}`,
      state: "waiting",
      isRecorded: false,
    });
    expect((await report(world, other, [defined("tool-0", "one")])).tools).toMatchObject([{ state: "pinned" }]);

    // Two definitions each are as many as all of them may have.
    await report(
      world,
      location,
      tools.slice(0, -1).map(({ tool }) => defined(tool, "two")),
    );
    const third = (await report(world, location, [defined("tool-0", "three")])).tools;
    expect(third).toMatchObject([{ state: "changed", isRecorded: false }]);
  });

  test("a tool that is forgotten makes room, and is seen for the first time when it comes again", async () => {
    const world = worldOf();
    const location = server(world);
    const [old, next] = [defined("search", "old"), defined("search", "next")];
    await report(world, location, [old]);
    await report(world, location, [next]);
    const forget = (tool: string) =>
      world.ledger.perform({
        ...({ act: "forget-tool", location, tool, reason: "gone", by: APPROVER } as const),
        now: world.clock.now(),
      });
    const { sequence } = done(await forget("search"));
    expect(await eventOf(world, sequence)).toMatchObject({ type: "tool.forgotten", tool: "search", reason: "gone" });
    expect(await world.store.tools.tool(location, "search")).toBeUndefined();
    expect(await world.store.tools.definitions(location, "search")).toEqual([]);
    expect((await report(world, location, [next])).tools).toMatchObject([{ state: "pinned", pinned: next.sha256 }]);
    expect(await forget("erase")).toEqual(refusal("tool"));
  });

  test("operators see tools by location and state, newest first, a page at a time", async () => {
    const world = worldOf();
    const location = server(world);
    await report(world, location, [defined("a", "1"), defined("b", "1"), defined("c", "1")]);
    await report(world, location, [defined("b", "2")]);
    const names = async (filter: Omit<Parameters<typeof world.store.history.tools>[0], "limit">, limit = 10) =>
      (await world.store.history.tools({ location, ...filter, limit })).map(({ tool }) => tool);
    expect(await names({})).toEqual(["c", "b", "a"]);
    expect(await names({ states: ["changed"] })).toEqual(["b"]);
    expect(await names({ states: ["pinned", "waiting"] })).toEqual(["c", "a"]);
    const [last] = await world.store.history.tools({ location, limit: 1 });
    expect(await names({ before: present(last).sequence }, 1)).toEqual(["b"]);
  });
}
