import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { decidedOn } from "../../src/domain/decision.ts";
import { selector } from "../../src/domain/selector.ts";
import type { Step } from "../../src/domain/step.ts";
import {
  agent,
  BROKER_UID,
  BY_CONFIG,
  BY_OPERATOR,
  brokerRegistry,
  FILES,
  operator,
  READ,
  runtime,
  WRITE,
} from "./broker-registry.ts";

let broker: Awaited<ReturnType<typeof brokerRegistry>>;
beforeEach(async () => {
  broker = await brokerRegistry();
});
afterEach(() => broker.close());

const create = async (content = agent(), origin: "api" | "config" = "api") =>
  (await broker.registry.create(content, origin, origin === "api" ? BY_OPERATOR : BY_CONFIG)).entry;
const stateOf = async (step: Step) => (await broker.world.step(step.stepId)).state;
const open = (...parameters: Parameters<typeof broker.world.open>) => broker.world.open(...parameters);

describe("an entry that is created", () => {
  test("is in force and in the ledger, under an identity of its kind and name", async () => {
    const entry = await create();
    expect(entry).toMatchObject({
      spiffeId: "spiffe://example.org/agent/researcher",
      origin: "api",
      disabled: false,
      revision: 1,
    });
    expect(broker.entries.matching(new Set([selector("unix:uid", 1_001)]))).toEqual([entry]);
    expect(await broker.world.entries()).toEqual([entry]);
  });

  test("is found by its id and by its kind and name, and by nothing else", async () => {
    const entry = await create();
    expect(broker.registry.find(entry.entryId)).toEqual(entry);
    expect(broker.registry.find("agent/researcher")).toEqual(entry);
    for (const reference of ["researcher", "runtime/researcher", "agent/researcher/", "", "agent/"]) {
      expect(() => broker.registry.find(reference)).toThrow(expect.objectContaining({ code: "ENTRY_NOT_FOUND" }));
    }
  });

  test("has a name that no other of its kind has, be two asked for at once", async () => {
    const outcomes = await Promise.allSettled([create(), create()]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    await expect(create()).rejects.toMatchObject({ code: "INVALID_FIELD", metadata: { field: "name" } });
    await create(runtime({ name: "researcher" }));
  });

  test.for([
    { what: "an agent as the broker's user", content: agent({ selectors: [`unix:uid:${BROKER_UID}`] }) },
    { what: "an agent as an operator's user", content: agent({ selectors: ["unix:uid:1003", "unix:path:/bin/a"] }) },
    { what: "an operator as an agent's user", content: operator({ name: "other", selectors: ["unix:uid:1009"] }) },
    { what: "an agent as the broker's user by its name", content: agent({ selectors: ["unix:user:stint"] }) },
    { what: "an agent as whoever is in the broker's group", content: agent({ selectors: ["unix:group:stint"] }) },
    { what: "an agent as an operator's user by its name", content: agent({ selectors: ["unix:user:ops"] }) },
    {
      what: "an agent as whoever is in an operator's group",
      content: agent({ selectors: ["unix:supplementary_gid:500"] }),
    },
  ])("is not $what", async ({ content }) => {
    await create(operator());
    await create(agent({ name: "nine", selectors: ["unix:uid:1009"] }));
    const refusal = { code: "INVALID_FIELD", metadata: { field: "selectors" } };
    await expect(create(content)).rejects.toMatchObject(refusal);
    // Nor by an update of an entry that was taken.
    const taken =
      content.kind === "agent"
        ? agent({ name: content.name })
        : operator({ name: content.name, selectors: ["unix:uid:9"] });
    const entry = await create(taken);
    await expect(broker.registry.update(entry.entryId, content, 0, BY_OPERATOR)).rejects.toMatchObject(refusal);
  });
});

describe("an entry that is updated", () => {
  test("says the new from the next revision on, and keeps its id and its time of birth", async () => {
    const before = await create();
    broker.world.clock.advance(5_000);
    const { entry } = await broker.registry.update("agent/researcher", agent({ mayOpen: true }), 1, BY_OPERATOR);
    expect(entry).toMatchObject({ entryId: before.entryId, revision: 2, createdAt: before.createdAt });
    expect(entry.updatedAt).toBeGreaterThan(before.updatedAt);
    expect(broker.entries.byId(entry.entryId)?.content).toEqual(agent({ mayOpen: true }));
  });

  test.for([
    { what: "from a revision that is not the current one", revision: 7, content: agent(), field: "revision" },
    { what: "to another kind", revision: 0, content: runtime({ name: "researcher" }), field: "kind" },
    { what: "to a name that another has", revision: 0, content: agent({ name: "taken" }), field: "name" },
  ])("not $what", async ({ revision, content, field }) => {
    await create();
    await create(agent({ name: "taken", selectors: ["unix:uid:1005"] }));
    const update = broker.registry.update("agent/researcher", content, revision, BY_OPERATOR);
    await expect(update).rejects.toMatchObject({ code: "INVALID_FIELD", metadata: { field } });
  });

  test("by two at once is changed by one of them", async () => {
    await create();
    const outcomes = await Promise.allSettled(
      [true, false].map((mayOpen) => broker.registry.update("agent/researcher", agent({ mayOpen }), 1, BY_OPERATOR)),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(broker.registry.find("agent/researcher").revision).toBe(2);
  });

  test("closes the steps that hold what it no longer permits, and no others", async () => {
    const entry = await create(agent({ mayOpen: true }));
    const [reads, writes] = [
      await open(entry, { grant: [READ] as Step["grant"] }),
      await open(entry, { grant: [READ, WRITE] as Step["grant"] }),
    ];
    const result = await broker.registry.update(
      "agent/researcher",
      agent({ ceiling: [READ], mayOpen: true }),
      0,
      BY_OPERATOR,
    );
    expect(result.stepsClosed).toBe(1);
    expect([await stateOf(reads), await stateOf(writes)]).toEqual(["OPEN", "REVOKED"]);
    expect((await broker.world.step(writes.stepId)).closeReason).toBe("privilegeWithdrawn");
  });

  test("closes those too that were opened on the old content while the new one was on its way", async () => {
    const entry = await create();
    const opening = open(entry, { grant: [WRITE] as Step["grant"] });
    const result = await broker.registry.update("agent/researcher", agent({ ceiling: [READ] }), 0, BY_OPERATOR);
    expect(await stateOf(await opening)).toBe("REVOKED");
    expect(result.stepsClosed).toBe(1);
    await expect(
      open(
        entry,
        { grant: [WRITE] as Step["grant"] },
        { decidedOn: decidedOn({ entryId: entry.entryId, revision: 1 }) },
      ),
    ).rejects.toThrow("DECISION_OUTDATED");
  });

  test("under a new name loses all its steps, whose identities were made from the old one", async () => {
    const entry = await create();
    const step = await open(entry);
    const { entry: renamed } = await broker.registry.update(entry.entryId, agent({ name: "writer" }), 0, BY_OPERATOR);
    expect(renamed.spiffeId).toBe("spiffe://example.org/agent/writer");
    expect(await stateOf(step)).toBe("REVOKED");
    await create();
  });

  test("of a runtime closes what it opened for agents that are not its own any more", async () => {
    const [researcher, writer] = [
      await create(),
      await create(agent({ name: "writer", selectors: ["unix:uid:1005"], ceiling: [READ] })),
    ];
    const flow = await create(runtime({ agents: ["researcher", "writer"] }));
    const by = { openerEntryId: flow.entryId, grant: [READ] as Step["grant"] };
    const [kept, lost] = [await open(researcher, by), await open(writer, by)];
    await broker.registry.update("runtime/flow", runtime({ agents: ["researcher"] }), 0, BY_OPERATOR);
    expect([await stateOf(kept), await stateOf(lost)]).toEqual(["OPEN", "REVOKED"]);
  });
});

describe("an entry that is disabled", () => {
  test("loses its steps in the same act, matches nobody, and permits nothing new until it is enabled", async () => {
    const entry = await create();
    const step = await open(entry);
    const credential = await broker.world.issue(step);
    const { stepsClosed, sequence } = await broker.registry.disable("agent/researcher", BY_OPERATOR);
    expect(stepsClosed).toBe(1);
    expect(await broker.world.step(step.stepId)).toMatchObject({ state: "REVOKED", closedSequence: sequence });
    expect(broker.entries.matching(new Set([selector("unix:uid", 1_001)]))).toEqual([]);
    await expect(open(entry)).rejects.toThrow("NOT_ENTITLED");
    const { now } = broker.world.clock;
    const [row] = await broker.world.store.history.issuances({ jti: credential.jti ?? "", now: now(), limit: 1 });
    expect(row?.revocationReason).toBe("privilegeWithdrawn");

    const { entry: enabled } = await broker.registry.enable("agent/researcher", BY_OPERATOR);
    expect(enabled).toMatchObject({ disabled: false, revision: 3 });
    await open(entry, {}, { decidedOn: decidedOn({ entryId: entry.entryId, revision: enabled.revision }) });
    expect(await stateOf(step)).toBe("REVOKED");
  });

  test("takes what was being opened along", async () => {
    const entry = await create();
    const opening = open(entry);
    await broker.registry.disable("agent/researcher", BY_OPERATOR);
    expect(await stateOf(await opening)).toBe("REVOKED");
  });

  test("may come from the configuration: an operator bars it, and does not change what it says", async () => {
    await create(agent(), "config");
    const refusal = { code: "INVALID_FIELD", metadata: { field: "entry" } };
    await expect(broker.registry.update("agent/researcher", agent(), 0, BY_OPERATOR)).rejects.toMatchObject(refusal);
    await expect(broker.registry.remove("agent/researcher", BY_OPERATOR)).rejects.toMatchObject(refusal);
    expect((await broker.registry.disable("agent/researcher", BY_OPERATOR)).entry).toMatchObject({
      disabled: true,
      content: agent(),
      origin: "config",
    });
    expect((await broker.registry.enable("agent/researcher", BY_OPERATOR)).entry.disabled).toBe(false);
  });

  test("stays disabled when it is changed", async () => {
    await create();
    await broker.registry.disable("agent/researcher", BY_OPERATOR);
    const { entry } = await broker.registry.update("agent/researcher", agent({ mayOpen: true }), 0, BY_OPERATOR);
    expect(entry.disabled).toBe(true);
  });
});

describe("an entry that is removed", () => {
  test("loses its steps and leaves its name to another", async () => {
    const entry = await create();
    const step = await open(entry);
    await broker.registry.remove("agent/researcher", BY_OPERATOR);
    expect(await stateOf(step)).toBe("REVOKED");
    expect(() => broker.registry.find("agent/researcher")).toThrow();
    const next = await create();
    expect(next.entryId).not.toBe(entry.entryId);
    expect(await broker.world.entries()).toEqual([next]);
    await expect(open(entry)).rejects.toThrow("NOT_ENTITLED");
  });

  test("of a runtime takes the steps along that it opened", async () => {
    const researcher = await create();
    const flow = await create(runtime());
    const step = await open(researcher, { openerEntryId: flow.entryId });
    await broker.registry.remove("runtime/flow", BY_OPERATOR);
    expect(await stateOf(step)).toBe("REVOKED");
  });
});

test("steps that a change was about to close when the broker stopped are closed by the next start", async () => {
  const entry = await create(agent({ mayOpen: true }));
  const [kept, missed] = [
    await open(entry, { grant: [READ] as Step["grant"] }),
    await open(entry, { grant: [WRITE] as Step["grant"] }),
  ];
  // As it is recorded when the broker is killed before it has looked at its steps a second time.
  const next = { ...entry, content: agent({ ceiling: [READ], mayOpen: true }) };
  await broker.world.put(next, 1, []);
  const { registry } = await broker.again();
  await registry.start();
  expect([await stateOf(kept), await stateOf(missed)]).toEqual(["OPEN", "REVOKED"]);
  const { sequence } = broker.world.ledger.head();
  await registry.start();
  expect(broker.world.ledger.head().sequence).toBe(sequence);
});

test("what was put is there after a restart as it was", async () => {
  await create();
  await create(runtime(), "config");
  await broker.registry.disable("agent/researcher", BY_OPERATOR);
  await create(agent({ name: "writer", selectors: ["unix:uid:1005"], audiences: [FILES] }));
  const { entries } = await broker.again();
  const sorted = (list: ReturnType<typeof entries.all>) => list.toSorted((a, b) => a.entryId.localeCompare(b.entryId));
  expect(sorted(entries.all())).toEqual(sorted(broker.entries.all()));
});
