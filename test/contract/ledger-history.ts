import { expect, test } from "vitest";
import { leafHash } from "../../src/domain/merkle-tree.ts";
import { addMicros, addSeconds, secondsOf } from "../../src/domain/time.ts";
import type { HistoryFilter } from "../../src/ports/ledger-reads.ts";
import { OPERATOR, present, type World } from "./ledger-world.ts";

/** What the operator's view promises: every filter alone and together, pages that join, newest first. */
export function historyContract(worldOf: () => World): void {
  /** Two agents' steps with credentials of every kind and state. */
  async function past(world: World) {
    const [agent, other] = [await world.agent(), await world.agent()];
    const parent = await world.open(agent);
    const child = await world.openChild(other, parent);
    const beside = await world.open(agent, { runId: parent.runId });
    const live = await world.issue(parent);
    const revoked = await world.issue(parent, { kind: "x509-svid" });
    const undelivered = await world.issue(child);
    const expired = await world.issue(child, { expiresAt: addSeconds(secondsOf(world.clock.now()), 5) });
    const closed = await world.issue(beside);
    const credential = { serialNumber: present(revoked.serialNumber) };
    const order = { act: "revoke-credential", credential, reason: "keyCompromise", by: OPERATOR } as const;
    await world.ledger.perform({ ...order, now: world.clock.now() });
    const { issuanceId } = undelivered;
    await world.ledger.perform({ act: "mark-undelivered", issuanceId, now: world.clock.now() });
    world.clock.advance(6_000);
    await world.close(beside);
    return { agent, other, parent, child, beside, live, revoked, undelivered, expired, closed };
  }

  test("issuances are found by run, step, agent, kind, id and state, newest first", async () => {
    const world = worldOf();
    const { agent, other, parent, child, beside, ...issued } = await past(world);
    const { live, revoked, undelivered, expired, closed } = issued;
    const { runId } = parent;
    const now = world.clock.now();
    const all = [closed, expired, undelivered, revoked, live];
    const cases = [
      { filter: { runId }, found: all },
      { filter: { runId, step: parent.step }, found: [revoked, live] },
      { filter: { step: beside.step }, found: [closed] },
      { filter: { stepId: child.stepId }, found: [expired, undelivered] },
      { filter: { agent: other.content.name }, found: [expired, undelivered] },
      { filter: { runId, agent: agent.content.name }, found: [closed, revoked, live] },
      { filter: { runId, kind: "x509-svid" }, found: [revoked] },
      { filter: { runId, state: "live" }, found: [live] },
      { filter: { runId, state: "expired" }, found: [expired] },
      { filter: { runId, state: "revoked" }, found: [closed, revoked] },
      { filter: { runId, state: "undelivered" }, found: [undelivered] },
      { filter: { jti: present(live.jti) }, found: [live] },
      { filter: { jti: present(live.jti), runId: "another" }, found: [] },
      { filter: { serialNumber: present(revoked.serialNumber) }, found: [revoked] },
      { filter: { toBeSignedSha256: live.toBeSignedSha256 }, found: [live] },
      { filter: { runId: "' OR 1=1 --" }, found: [] },
      { filter: { agent: "%" }, found: [] },
    ] as const;
    for (const { filter, found } of cases) {
      const rows = await world.store.history.issuances({ ...filter, now, limit: 100 });
      expect(rows.map((row) => row.issuanceId)).toEqual(found.map((record) => record.issuanceId));
    }
  });

  test("steps are found by run, step, agent, state and the run's owner", async () => {
    const world = worldOf();
    const { agent, other, parent, child, beside } = await past(world);
    const { runId } = parent;
    const cases: readonly {
      filter: Omit<Parameters<typeof world.store.history.steps>[0], "limit">;
      found: unknown[];
    }[] = [
      { filter: { runId }, found: [beside, child, parent] },
      { filter: { runId, states: ["OPEN"] }, found: [child, parent] },
      { filter: { runId, states: ["COMPLETED", "FAILED"] }, found: [beside] },
      { filter: { runId, states: [] }, found: [] },
      { filter: { stepId: child.stepId }, found: [child] },
      { filter: { runId, step: parent.step }, found: [parent] },
      { filter: { agent: other.content.name }, found: [child] },
      { filter: { runOwner: { entryId: agent.entryId } }, found: [beside, child, parent] },
      { filter: { runOwner: { entryId: other.entryId } }, found: [] },
    ];
    for (const { filter, found } of cases) {
      const rows = await world.store.history.steps({ ...filter, limit: 100 });
      expect(rows.map((step) => step.stepId)).toEqual(found.map((step) => (step as { stepId: string }).stepId));
    }
    expect(await world.store.history.steps({ stepId: child.stepId, limit: 1 })).toEqual([
      await world.step(child.stepId),
    ]);
  });

  test("decisions are found by run, effect and id, as they were made", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const act = world.openAct(agent);
    await world.ledger.perform(act);
    const { runId } = act.step;
    const denied = world.decisionOn(act.step, {
      decisionId: world.id("decision"),
      effect: "deny",
      reason: "POLICY_DENIED",
    });
    const now = world.clock.now();
    const { sequence } = await world.ledger.perform({ act: "record-decision", decision: denied, now });
    const { decisions } = world.store.history;
    expect(await decisions({ runId, limit: 10 })).toMatchObject([{ effect: "deny" }, { effect: "allow" }]);
    expect(await decisions({ runId, effect: "deny", limit: 10 })).toEqual([{ ...denied, sequence }]);
    expect(await decisions({ decisionId: act.decision.decisionId, limit: 10 })).toMatchObject([act.decision]);
    expect(await decisions({ agent: agent.content.name, limit: 10 })).toHaveLength(2);
    expect(await decisions({ stepId: act.step.stepId, step: act.step.step, limit: 10 })).toHaveLength(2);
  });

  test("the events of a step are its opening with its decision, what happened to it, and the close that ended it", async () => {
    const world = worldOf();
    const { parent, child } = await past(world);
    await world.ledger.perform({ act: "hold-step", stepId: child.stepId, now: world.clock.now() });
    await world.close(parent);
    const typesOf = async (filter: Partial<HistoryFilter>) => {
      const rows = await world.store.history.events({ ...filter, limit: 100, oldestFirst: true });
      return rows.map((row) => row.type);
    };
    const ofChild = [
      "decision.made",
      "step.opened",
      "issuance.recorded",
      "issuance.recorded",
      "issuance.undelivered",
      "step.held",
      "step.closed",
    ];
    expect(await typesOf({ stepId: child.stepId })).toEqual(ofChild);
    expect(await typesOf({ agent: child.agent })).toEqual(ofChild);
    await world.close({ kind: "run", runId: parent.runId }, { state: "REVOKED" });
    const ofRun = await typesOf({ runId: parent.runId });
    expect(ofRun.filter((type) => type === "step.opened")).toHaveLength(3);
    expect(ofRun.at(-1)).toBe("run.barred");
  });

  test("a denied opening is among its run's events though its step never was", async () => {
    const world = worldOf();
    const { step } = world.openAct(await world.agent());
    const decision = world.decisionOn(step, { effect: "deny", reason: "POLICY_DENIED" });
    await world.ledger.perform({ act: "record-decision", decision, now: world.clock.now() });
    const rows = await world.store.history.events({ runId: step.runId, limit: 10 });
    expect(rows.map((row) => row.type)).toEqual(["decision.made"]);
  });

  test("events come with the bytes that were hashed", async () => {
    const world = worldOf();
    await past(world);
    const rows = await world.store.history.events({ limit: 20 });
    expect(rows).toHaveLength(20);
    for (const row of rows) {
      expect(Buffer.from(leafHash(row.canonical)).toString("hex")).toBe(Buffer.from(row.leafHash).toString("hex"));
      expect(JSON.parse(Buffer.from(row.canonical).toString())).toMatchObject({
        type: row.type,
        at: row.recordedAt,
        v: 1,
      });
    }
  });

  test("pages join without a gap or a repeat, backward and forward", async () => {
    const world = worldOf();
    await past(world);
    const { sequence: head } = world.ledger.head();
    const expected = Array.from({ length: head }, (_, index) => index + 1);
    const forward: number[] = [];
    for (let after = 0; after < head; ) {
      const page = await world.store.history.events({ after, oldestFirst: true, limit: 7 });
      forward.push(...page.map((row) => row.sequence));
      after = present(page.at(-1)).sequence;
    }
    expect(forward).toEqual(expected);
    const backward: number[] = [];
    for (let before = head + 1; before > 1; ) {
      const page = await world.store.history.events({ before, limit: 7 });
      backward.push(...page.map((row) => row.sequence));
      before = present(page.at(-1)).sequence;
    }
    expect(backward).toEqual(expected.toReversed());
  });

  test("time filters hold to the microsecond, though acts reached the log out of their order in time", async () => {
    const world = worldOf();
    const agent = await world.agent();
    world.clock.advance(3_600_000);
    const start = world.clock.now();
    // Around full minutes and back again: 0 s, 59.999999 s, 60 s, 30 s, 125 s, 61 s.
    const offsets = [0, 59_999_999, 60_000_000, 30_000_000, 125_000_000, 61_000_000];
    for (const offset of offsets) {
      const { step } = world.openAct(agent);
      const decision = world.decisionOn(step, { effect: "deny", reason: "POLICY_DENIED" });
      await world.ledger.perform({ act: "record-decision", decision, now: addMicros(start, offset) });
    }
    for (const since of [0, 1, 59_999_999, 60_000_000, 61_000_001, 125_000_000]) {
      for (const until of [1, 60_000_000, 60_000_001, 125_000_000, 125_000_001]) {
        const filter = { since: addMicros(start, since), until: addMicros(start, until), limit: 100 };
        const expected = offsets.filter((offset) => offset >= since && offset < until).toSorted();
        const events = await world.store.history.events(filter);
        expect(events.map((row) => row.recordedAt - start).toSorted()).toEqual(expected);
        expect(await world.store.history.decisions(filter)).toHaveLength(expected.length);
      }
    }
    world.clock.advance(3_600_000);
  });

  test("a limit of nothing gives nothing", async () => {
    const { history } = worldOf().store;
    expect(await history.events({ limit: 0 })).toEqual([]);
    expect(await history.steps({ limit: -1 })).toEqual([]);
  });
}
