import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { EntryContent } from "../../src/domain/registration-entry.ts";
import { declareEntries, differenceOf } from "../../src/registry/declare.ts";
import { startDaemon } from "../daemon.ts";
import { operatorOf } from "../e2e/operator.ts";
import {
  agent,
  BY_CONFIG,
  BY_OPERATOR,
  brokerRegistry,
  FILES,
  operator,
  READ,
  runtime,
  SEARCH,
} from "./broker-registry.ts";

let broker: Awaited<ReturnType<typeof brokerRegistry>>;
beforeEach(async () => {
  broker = await brokerRegistry();
});
afterEach(() => broker.close());

/** What a start with this configuration does to what is there. */
async function startWith(...declared: readonly EntryContent[]) {
  const { entries, registry } = await broker.again();
  const difference = await declareEntries(declared, entries.all(), registry);
  return { entries, registry, difference };
}

const namesOf = (list: readonly { readonly content: EntryContent }[]) =>
  list.map(({ content }) => `${content.kind}/${content.name}`).toSorted();

describe("declaring entries", () => {
  test("creates what is new, and does nothing where nothing changed", async () => {
    const { entries } = await startWith(agent(), runtime());
    expect(namesOf(entries.all())).toEqual(["agent/researcher", "runtime/flow"]);
    expect(entries.all().every(({ origin }) => origin === "config")).toBe(true);
    const { sequence } = broker.world.ledger.head();
    const { difference } = await startWith(agent(), runtime());
    expect(difference).toEqual({ created: [], updated: [], removed: [], conflicting: [] });
    expect(broker.world.ledger.head().sequence).toBe(sequence);
  });

  test("updates what says something else, whose steps end where they hold more", async () => {
    const { entries } = await startWith(agent());
    const [entry] = entries.all();
    if (entry === undefined) throw new TypeError("no entry");
    const step = await broker.world.open(entry);
    const { difference, registry } = await startWith(agent({ ceiling: [READ] }));
    expect(namesOf(difference.updated)).toEqual(["agent/researcher"]);
    expect(registry.find("agent/researcher")).toMatchObject({ entryId: entry.entryId, revision: 2 });
    expect((await broker.world.step(step.stepId)).state).toBe("REVOKED");
  });

  test("removes what is declared no more, and closes its steps", async () => {
    const { entries } = await startWith(agent(), runtime());
    const entry = entries.byName("agent", "researcher");
    if (entry === undefined) throw new TypeError("no entry");
    const step = await broker.world.open(entry);
    const { entries: left, difference } = await startWith(runtime());
    expect(namesOf(difference.removed)).toEqual(["agent/researcher"]);
    expect(namesOf(left.all())).toEqual(["runtime/flow"]);
    expect((await broker.world.step(step.stepId)).state).toBe("REVOKED");
  });

  test("does not lift what an operator barred, be the entry the same or changed", async () => {
    const { registry } = await startWith(agent());
    await registry.disable("agent/researcher", BY_OPERATOR);
    const same = await startWith(agent());
    expect(same.registry.find("agent/researcher").disabled).toBe(true);
    const changed = await startWith(agent({ mayOpen: true }));
    expect(changed.registry.find("agent/researcher")).toMatchObject({
      disabled: true,
      content: agent({ mayOpen: true }),
    });
  });

  test("leaves entries alone that were made by API, and tells of those whose name is taken", async () => {
    const made = await broker.registry.create(agent({ mayOpen: true }), "api", BY_OPERATOR);
    const { difference, registry } = await startWith(agent(), runtime());
    expect(namesOf(difference.conflicting)).toEqual(["agent/researcher"]);
    expect(registry.find("agent/researcher")).toEqual(made.entry);
    expect(namesOf(difference.created.map((content) => ({ content })))).toEqual(["runtime/flow"]);
    const { entries } = await startWith();
    expect(namesOf(entries.all())).toEqual(["agent/researcher"]);
  });

  test("is recorded as the configuration's act", async () => {
    await startWith(agent());
    const [event] = await broker.world.store.history.events({ type: "entry.put", limit: 1 });
    expect(JSON.parse(Buffer.from(event?.canonical ?? []).toString())).toMatchObject({ by: BY_CONFIG });
  });

  test("can't put an agent where an operator is", async () => {
    const declared = startWith(operator(), agent({ selectors: ["unix:uid:1003"] }));
    await expect(declared).rejects.toMatchObject({ code: "INVALID_FIELD", metadata: { field: "selectors" } });
  });
});

test("the difference is told without anything being done", async () => {
  await startWith(agent(), runtime());
  await broker.registry.create(operator(), "api", BY_OPERATOR);
  const before = broker.world.ledger.head().sequence;
  const difference = differenceOf(
    [agent({ mayOpen: true }), operator(), runtime({ name: "other" })],
    broker.entries.all(),
  );
  expect({
    created: difference.created.map(({ name }) => name),
    updated: namesOf(difference.updated),
    removed: namesOf(difference.removed),
    conflicting: namesOf(difference.conflicting),
  }).toEqual({
    created: ["other"],
    updated: ["agent/researcher"],
    removed: ["runtime/flow"],
    conflicting: ["operator/ops"],
  });
  expect(broker.world.ledger.head().sequence).toBe(before);
});

test("a daemon says at its start which declared entries are not in force", async () => {
  const selectors = [`unix:uid:${process.getuid?.()}`];
  const verifier = { kind: "verifier", name: "mcp-1", selectors, audiences: [SEARCH] };
  await using first = await startDaemon();
  using operators = operatorOf(first.operatorSocket);
  const kind = { case: "verifier" as const, value: { audiences: [FILES] } };
  await operators.entries.create({ content: { name: "mcp-1", selectors, kind } });
  await first.stop();
  await using second = await startDaemon({ directory: first.directory, entries: [verifier] });
  expect(second.log.map(({ msg }) => msg)).toContainEqual(expect.stringContaining("verifier/mcp-1 was made by API"));
  using again = operatorOf(second.operatorSocket);
  expect(await again.entries.get({ entry: "verifier/mcp-1" })).toMatchObject({
    entry: { content: { kind: { value: { audiences: [FILES] } } } },
  });
});
