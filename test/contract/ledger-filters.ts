import { expect, test } from "vitest";
import { countHistory } from "../../src/audit/history-count.ts";
import { type HistoryPage, historyPage } from "../../src/audit/history-page.ts";
import { historySpans } from "../../src/audit/history-spans.ts";
import type {
  HistoryField,
  HistoryList,
  HistorySpan,
  HistoryTerm,
  HistoryTerms,
} from "../../src/domain/history-filter.ts";
import { HISTORY_FIELDS, HISTORY_LISTS, isGroupedBy } from "../../src/domain/history-filter.ts";
import { addMicros } from "../../src/domain/time.ts";
import type { EventRow } from "../../src/ports/ledger-reads.ts";
import { FILES, MCP, OPERATOR, present, type World } from "./ledger-world.ts";

const only = (field: HistoryField, ...values: string[]): HistoryTerm => ({ field, values, isExcluded: false });
const not = (field: HistoryField, ...values: string[]): HistoryTerm => ({ field, values, isExcluded: true });

/** What the filters, orders, counts and slices of the operator's view promise. */
export function filtersContract(worldOf: () => World): void {
  async function past(world: World) {
    const [agent, other] = [await world.agent(), await world.agent()];
    const parent = await world.open(agent);
    const child = await world.openChild(other, parent);
    const beside = await world.open(agent, {
      grant: [{ type: "mcp_tool", locations: [FILES], identifier: "*", actions: ["write"], datatypes: ["public"] }],
    });
    const ofParent = await world.issue(parent);
    const revoked = await world.issue(parent, { kind: "x509-svid" });
    const ofChild = await world.issue(child);
    const ofBeside = await world.issue(beside);
    const credential = { serialNumber: present(revoked.serialNumber) };
    const order = { act: "revoke-credential", credential, reason: "keyCompromise", by: OPERATOR } as const;
    world.clock.advance(1_000);
    await world.ledger.perform({ ...order, now: world.clock.now() });
    const between = world.clock.now();
    world.clock.advance(1_000);
    await world.close(beside);
    return { agent, other, parent, child, beside, ofParent, revoked, ofChild, ofBeside, between };
  }

  test("each field of a credential finds it, and leaves it out", async () => {
    const world = worldOf();
    const made = await past(world);
    const { parent, child, beside, ofParent, revoked, ofChild, ofBeside } = made;
    const all = [ofBeside, ofChild, revoked, ofParent];
    const within = only("run", parent.runId, child.runId, beside.runId);
    const cases: readonly (readonly [HistoryTerm, readonly unknown[]])[] = [
      [only("run", beside.runId), [ofBeside]],
      [only("step", parent.step, beside.step), all.filter((one) => one !== ofChild)],
      [only("step_id", child.stepId), [ofChild]],
      [only("attempt", String(parent.attempt)), all],
      [only("attempt", "77"), []],
      [only("agent", made.other.content.name), [ofChild]],
      [only("tool", "search"), all],
      [only("tool", "*"), [ofBeside]],
      [only("tool", "delete"), [ofBeside]],
      [only("action", "write"), [ofBeside]],
      [only("data_class", "internal"), [ofChild, revoked, ofParent]],
      [only("audience", MCP), all.filter((one) => one.audiences.includes(MCP))],
      [only("spiffe_id", child.spiffeId), [ofChild]],
      [only("spiffe_id", child.spiffeId.slice(0, -1)), []],
      [only("spiffe_id", `spiffe://example.org/agent/${made.other.content.name}`), [ofChild]],
      [only("kind", "x509-svid"), [revoked]],
      [only("outcome", "revoked"), [ofBeside, revoked]],
      [only("outcome", "live"), [ofChild, ofParent]],
      [only("reason", "keyCompromise"), [revoked]],
      [only("decision", child.decisionId), [ofChild]],
      [only("entry", made.other.entryId), [ofChild]],
      [only("issuance", ofParent.issuanceId), [ofParent]],
      [only("jti", present(ofParent.jti)), [ofParent]],
      [only("serial", present(revoked.serialNumber)), [revoked]],
      [only("authority", ofParent.authorityId), all.filter((one) => one.authorityId === ofParent.authorityId)],
    ];
    const { issuances } = world.store.history;
    const idsOf = async (...terms: readonly HistoryTerm[]) =>
      (await issuances({ terms: [within, ...terms], now: world.clock.now(), limit: 100 })).map((row) => row.issuanceId);
    for (const [term, found] of cases) {
      const ids = found.map((one) => (one as { issuanceId: string }).issuanceId);
      expect([term, await idsOf(term)]).toEqual([term, ids]);
      const others = all.map(({ issuanceId }) => issuanceId).filter((id) => !ids.includes(id));
      expect([term, await idsOf({ ...term, isExcluded: true })]).toEqual([term, others]);
    }
    expect(await idsOf(only("agent", made.agent.content.name), not("kind", "x509-svid"))).toEqual([
      ofBeside.issuanceId,
      ofParent.issuanceId,
    ]);
  });

  test("every field of every list can be asked for, left out and grouped by", async () => {
    const world = worldOf();
    await past(world);
    const { history } = world.store;
    const now = world.clock.now();
    const reads = { issuances: "issuances", steps: "steps", decisions: "decisions", events: "events" } as const;
    for (const list of HISTORY_LISTS) {
      for (const [name, lists] of Object.entries(HISTORY_FIELDS)) {
        if (!(lists as readonly HistoryList[]).includes(list)) continue;
        const field = name as HistoryField;
        const read = reads[list as keyof typeof reads] ?? list;
        for (const term of [only(field, "1"), not(field, "1")]) {
          await expect(history[read]({ terms: [term], now, limit: 1 })).resolves.toBeInstanceOf(Array);
          await expect(history.count(list, { terms: [term], now })).resolves.toHaveLength(1);
        }
        if (isGroupedBy(list, field)) {
          await expect(history.count(list, { now }, field)).resolves.toBeInstanceOf(Array);
        }
      }
    }
  });

  test("an export has what each filter finds, and has it still when more has happened since", async () => {
    const world = worldOf();
    const { parent, child, ofParent, ofChild, between } = await past(world);
    const { history, exports } = world.store;
    const { sequence: through } = world.ledger.head();
    const now = world.clock.now();
    const window = { after: 0, end: through, limit: 1_000, through, now };
    const page = { now, limit: 1_000, oldestFirst: true };
    const lists = {
      issuances: [history.issuances, exports.exportedIssuances],
      decisions: [history.decisions, exports.exportedDecisions],
      events: [history.events, exports.exportedEvents],
    } as const;
    const sequencesOf = (rows: readonly { readonly sequence: number }[]) => rows.map(({ sequence }) => sequence);
    const asked: { readonly list: keyof typeof lists; readonly filter: HistoryTerms; readonly rows: unknown }[] = [];
    for (const [name, [read, exported]] of Object.entries(lists)) {
      const list = name as keyof typeof lists;
      const filters: HistoryTerms[] = [{ descendantsOf: [parent.stepId] }];
      if (list === "issuances") filters.push({ liveAt: between }, { liveAt: addMicros(now, 1_000_000) });
      for (const field of Object.keys(HISTORY_FIELDS) as HistoryField[]) {
        if (!isGroupedBy(list, field)) continue;
        for (const { value } of await history.count(list, { now }, field)) {
          if (value !== null) filters.push({ terms: [only(field, value)] }, { terms: [not(field, value)] });
        }
      }
      for (const filter of filters) {
        const rows = await exported({ ...window, ...filter });
        expect([list, filter, sequencesOf(rows)]).toEqual([
          list,
          filter,
          sequencesOf(await read({ ...page, ...filter })),
        ]);
        asked.push({ list, filter, rows });
      }
    }
    const credential = { jti: present(ofChild.jti) };
    await world.ledger.perform({ act: "revoke-credential", credential, reason: "keyCompromise", by: OPERATOR, now });
    await world.ledger.perform({ act: "mark-undelivered", issuanceId: ofParent.issuanceId, now });
    world.clock.advance(1_000);
    await world.close(child);
    await world.close(parent);
    for (const { list, filter, rows } of asked) {
      expect([list, filter, await lists[list][1]({ ...window, ...filter })]).toEqual([list, filter, rows]);
    }
  });

  test("text is found by its words, all of them, in either case and any order", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const report = await world.open(agent, { purpose: "The nightly Report, 100% of it" });
    const mail = await world.open(agent, { purpose: "mail the report" });
    const { history } = world.store;
    const stepsWith = async (...terms: readonly HistoryTerm[]) =>
      (await history.steps({ terms: [only("run", report.runId, mail.runId), ...terms], limit: 10 })).map(
        (step) => step.stepId,
      );
    expect(await stepsWith(only("text", "REPORT"))).toEqual([mail.stepId, report.stepId]);
    expect(await stepsWith(only("text", "report nightly"))).toEqual([report.stepId]);
    expect(await stepsWith(only("text", "report nightly", "mail"))).toEqual([mail.stepId, report.stepId]);
    expect(await stepsWith(not("text", "mail"))).toEqual([report.stepId]);
    expect(await stepsWith(only("text", "100%"))).toEqual([report.stepId]);
    expect(await stepsWith(only("text", "%"), only("text", "n_ghtly"))).toEqual([]);
    const denied = world.decisionOn(report, {
      decisionId: world.id("decision"),
      effect: "deny",
      reason: "POLICY_DENIED",
      message: "the Grant of the agent has no such tool",
    });
    await world.ledger.perform({ act: "record-decision", decision: denied, now: world.clock.now() });
    const found = await history.decisions({
      terms: [only("text", "tool grant"), only("run", report.runId)],
      limit: 10,
    });
    expect(found.map(({ decisionId }) => decisionId)).toEqual([denied.decisionId]);
  });

  test("what was alive at an instant is told as it was then", async () => {
    const world = worldOf();
    const { parent, child, beside, ofParent, revoked, ofChild, ofBeside, between } = await past(world);
    const runs = only("run", parent.runId, beside.runId);
    const now = world.clock.now();
    const { issuances, steps } = world.store.history;
    const idsAt = async (liveAt: typeof now) => ({
      issuances: (await issuances({ terms: [runs], liveAt, now, limit: 100 })).map((row) => row.issuanceId),
      steps: (await steps({ terms: [runs], liveAt, limit: 100 })).map((step) => step.stepId),
    });
    const stepsThen = [beside.stepId, child.stepId, parent.stepId];
    expect(await idsAt(addMicros(between, -1))).toEqual({
      issuances: [ofBeside, ofChild, revoked, ofParent].map((one) => one.issuanceId),
      steps: stepsThen,
    });
    expect(await idsAt(between)).toEqual({
      issuances: [ofBeside, ofChild, ofParent].map((one) => one.issuanceId),
      steps: stepsThen,
    });
    expect(await idsAt(now)).toEqual({
      issuances: [ofChild, ofParent].map((one) => one.issuanceId),
      steps: [child.stepId, parent.stepId],
    });
    expect(await idsAt(addMicros(now, 86_400_000_000))).toMatchObject({ issuances: [] });
    expect(await idsAt(addMicros(between, -86_400_000_000))).toEqual({ issuances: [], steps: [] });
  });

  test("what descends from a step is found at any depth, of every list", async () => {
    const world = worldOf();
    const { parent, child, other, beside, ofParent, revoked, ofChild } = await past(world);
    const grandchild = await world.openChild(other, child);
    const ofGrandchild = await world.issue(grandchild);
    const { history } = world.store;
    const filter = { descendantsOf: [parent.stepId], now: world.clock.now(), limit: 100 };
    const below = [grandchild, child, parent].map((step) => step.stepId);
    expect((await history.steps(filter)).map((step) => step.stepId)).toEqual(below);
    expect((await history.issuances(filter)).map((row) => row.issuanceId)).toEqual(
      [ofGrandchild, ofChild, revoked, ofParent].map((one) => one.issuanceId),
    );
    expect((await history.decisions(filter)).map((row) => row.stepId)).toEqual(below);
    const opened = await history.events({ ...filter, type: "step.opened" });
    expect(opened.map((row) => row.sequence)).toEqual([grandchild, child, parent].map((one) => one.openedSequence));
    expect(await history.exchanges(filter)).toEqual([]);
    expect(await history.usage(filter)).toEqual([]);
    expect(await history.steps({ ...filter, descendantsOf: [beside.stepId, child.stepId] })).toHaveLength(3);
  });

  test("the events of an agent are the same, whether looked at one by one or found by the steps' own list", async () => {
    const world = worldOf();
    const { agent, other, parent, child, beside } = await past(world);
    await world.ledger.perform({ act: "hold-step", stepId: child.stepId, now: world.clock.now() });
    await world.close(parent);
    const { events } = world.store.history;
    const sequences = async (...terms: readonly HistoryTerm[]) =>
      (await events({ terms, limit: 10_000 })).map((row) => row.sequence);
    for (const name of [agent.content.name, other.content.name]) {
      const looked = await sequences(only("agent", name));
      const listed = await sequences(only("agent", name), only("run", parent.runId, beside.runId));
      expect(looked.length).toBeGreaterThan(4);
      expect(looked).toEqual(listed);
      const all = await sequences();
      expect(await sequences(not("agent", name))).toEqual(all.filter((sequence) => !looked.includes(sequence)));
    }
    expect(await sequences(only("decision", child.decisionId))).toHaveLength(1);
    const [issued] = await world.store.history.issuances({ stepId: beside.stepId, now: world.clock.now(), limit: 1 });
    expect(await sequences(only("jti", present(issued?.jti)))).toEqual([issued?.sequence]);
  });

  test("slices of any size give the pages of one read, in both orders, without a gap or a repeat", async () => {
    const world = worldOf();
    const { agent } = await past(world);
    const { history } = world.store;
    const terms = [only("agent", agent.content.name)];
    for (const oldestFirst of [false, true]) {
      const whole = (await history.events({ terms, oldestFirst, limit: 10_000 })).map((row) => row.sequence);
      for (const slices of [
        { sequences: 1, perPageMax: 3 },
        { sequences: 7, perPageMax: 1 },
        { sequences: 100_000, perPageMax: 20 },
      ]) {
        const found: number[] = [];
        let place: { readonly before?: number; readonly after?: number } | undefined = {};
        while (place !== undefined) {
          const page: HistoryPage<EventRow> = await historyPage(
            "events",
            { terms, oldestFirst, limit: 3, ...place },
            history.events,
            (row) => row.sequence,
            history,
            slices,
          );
          found.push(...page.rows.map((row) => row.sequence));
          const { next } = page;
          place = next === undefined ? undefined : oldestFirst ? { after: next } : { before: next };
        }
        expect(found).toEqual(whole);
      }
    }
  });

  test("how long something of the rows lasted is told whatever the slices, and of what has not ended not at all", async () => {
    const world = worldOf();
    const { parent, beside, agent, ofParent, revoked, ofBeside } = await past(world);
    const { history } = world.store;
    const spans = (list: HistoryList, span: HistorySpan, runs: readonly string[]) =>
      historySpans(list, { terms: [only("run", ...runs)], now: world.clock.now() }, span, history, {
        sequences: 2,
        perPageMax: 1,
      });
    const validities = [ofParent, revoked, ofBeside].map((one) => one.expiresAt * 1_000_000 - one.issuedAt);
    expect(await spans("issuances", "validity", [parent.runId, beside.runId])).toMatchObject({
      leastMicros: Math.min(...validities),
      mostMicros: Math.max(...validities),
    });
    // One was taken back after a second, and two with their step.
    const [until, closed] = [present(await revokedAt(world, revoked)), present((await stepOf(world, beside)).closedAt)];
    expect(await spans("issuances", "usable", [beside.runId])).toEqual({
      count: 1,
      leastMicros: closed - ofBeside.issuedAt,
      mostMicros: closed - ofBeside.issuedAt,
      sumMicros: closed - ofBeside.issuedAt,
    });
    expect((await spans("issuances", "usable", [parent.runId])).leastMicros).toBe(until - revoked.issuedAt);
    // Of an agent slices are looked through, of a run an index: the longest is in the first slice, and the shortest in a later one.
    const ofAgent = { terms: [only("agent", agent.content.name)], now: world.clock.now() };
    const slices = { sequences: 2, perPageMax: 1 };
    const usable = [
      ofParent.expiresAt * 1_000_000 - ofParent.issuedAt,
      until - revoked.issuedAt,
      closed - ofBeside.issuedAt,
    ];
    expect(await historySpans("issuances", ofAgent, "usable", history, slices)).toEqual({
      count: 3,
      leastMicros: Math.min(...usable),
      mostMicros: Math.max(...usable),
      sumMicros: usable.reduce((sum, one) => sum + one, 0),
    });
    const open = closed - present((await stepOf(world, beside)).openedAt);
    expect(await spans("steps", "open", [parent.runId, beside.runId])).toMatchObject({ count: 1, mostMicros: open });
    expect(await spans("steps", "closure", [beside.runId])).toEqual({
      count: 0,
      leastMicros: 0,
      mostMicros: 0,
      sumMicros: 0,
    });
    world.clock.advance(1_500);
    const { closedSequence = 0 } = await stepOf(world, beside);
    await world.ledger.perform({ act: "reach-closure", closedSequence, now: world.clock.now() });
    const reached = world.clock.now() - closed;
    expect(await spans("steps", "closure", [beside.runId])).toMatchObject({ count: 1, mostMicros: reached });
  });

  async function stepOf({ store }: World, { stepId }: { readonly stepId: string }) {
    const [step] = await store.history.steps({ terms: [only("step_id", stepId)], limit: 1 });
    return present(step);
  }

  async function revokedAt({ store, clock }: World, { issuanceId }: { readonly issuanceId: string }) {
    const [row] = await store.history.issuances({ terms: [only("issuance", issuanceId)], now: clock.now(), limit: 1 });
    return row?.revokedAt;
  }

  test("a count is that of the rows, in all and for each value, whatever the slices", async () => {
    const world = worldOf();
    const { parent, beside, agent, other } = await past(world);
    const { history } = world.store;
    const filter = { terms: [not("agent", "nobody"), only("run", parent.runId, beside.runId)], now: world.clock.now() };
    const count = (groupBy: HistoryField, top = 10) =>
      countHistory("issuances", filter, { groupBy, top }, history, { sequences: 3, perPageMax: 1 });
    expect(await count("agent")).toEqual({
      count: 4,
      groups: [
        { value: agent.content.name, count: 3 },
        { value: other.content.name, count: 1 },
      ],
      groupsLeftOut: 0,
      countLeftOut: 0,
    });
    expect(await count("agent", 1)).toMatchObject({ groups: [{ count: 3 }], groupsLeftOut: 1, countLeftOut: 1 });
    expect(await count("action")).toMatchObject({
      count: 4,
      groups: [
        { value: "read", count: 3 },
        { value: "write", count: 1 },
      ],
    });
    expect(await count("principal")).toMatchObject({ count: 4, groups: [{ value: null, count: 4 }] });
    const both = await world.open(agent, {
      grant: [
        { type: "mcp_tool", locations: [FILES], identifier: "*", actions: ["read", "write"], datatypes: ["public"] },
      ],
    });
    await world.issue(both);
    const ofBoth = { terms: [only("run", both.runId)], now: world.clock.now() };
    expect(await countHistory("issuances", ofBoth, { groupBy: "action", top: 10 }, history)).toMatchObject({
      count: 1,
      groups: [
        { value: "read", count: 1 },
        { value: "write", count: 1 },
      ],
    });
    const unsliced = await countHistory("events", { now: filter.now }, { groupBy: "type", top: 100 }, history);
    const sliced = await countHistory("events", { now: filter.now }, { groupBy: "type", top: 100 }, history, {
      sequences: 2,
      perPageMax: 1,
    });
    expect(sliced).toEqual(unsliced);
    expect(unsliced.count).toBe(world.ledger.head().sequence);
  });
}
