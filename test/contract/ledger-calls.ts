import { describe, expect, test } from "vitest";
import { isDenial } from "../../src/domain/errors.ts";
import type { Grant } from "../../src/domain/grant.ts";
import type { RecordCallAct } from "../../src/ports/call-acts.ts";
import { FILES, GRANT, MCP, OPERATOR, type World } from "./ledger-world.ts";

const [SEARCH] = GRANT as [Grant[number]];
const atMost = (calls: number, own: Partial<Grant[number]> = {}) => ({ ...SEARCH, max_calls: calls, ...own });

/** What recording calls of tools promises. */
export function callsContract(worldOf: () => World): void {
  const refusal = (code: string) => expect.objectContaining({ kind: "denial", code });

  async function stepWith(world: World, grant: Grant = GRANT) {
    const agent = await world.agent({ ceiling: grant });
    const step = await world.open(agent, { grant });
    return { agent, step, credential: await world.issue(step) };
  }

  /** How many of so many calls at once are allowed. */
  async function allowedOf(world: World, acts: readonly RecordCallAct[]): Promise<number> {
    const results = await Promise.all(acts.map((act) => world.ledger.perform(act)));
    return results.filter((result) => !isDenial(result)).length;
  }

  test("a call reads back as it was asked about, and by what it was counted", async () => {
    const world = worldOf();
    const { step, credential } = await stepWith(world, [{ ...SEARCH, identifier: "list" }, atMost(3)]);
    const act = world.callAct(step, credential);
    expect(await world.ledger.perform(act)).toMatchObject({ callsLeft: 2 });
    const { decisionId } = act.decision;
    const [decision] = await world.store.history.decisions({ decisionId, limit: 1 });
    const counted = [{ holder: step.stepId, element: 1 }];
    expect(decision).toEqual({
      ...act.decision,
      call: { ...act.decision.call, counted },
      sequence: expect.any(Number),
    });
  });

  test("a call by a grant that does not say how many is counted by nothing", async () => {
    const world = worldOf();
    const { step, credential } = await stepWith(world);
    const act = world.callAct(step, credential);
    expect(await world.ledger.perform(act)).toEqual({ kind: "sequenced", sequence: expect.any(Number) });
    const [decision] = await world.store.history.decisions({ decisionId: act.decision.decisionId, limit: 1 });
    expect(decision?.call).toEqual(act.decision.call);
  });

  describe("a budget", () => {
    test("raced by 64 calls at once allows exactly as many as it says", async () => {
      const world = worldOf();
      const { step, credential } = await stepWith(world, [atMost(10)]);
      const acts = Array.from({ length: 64 }, () => world.callAct(step, credential));
      expect(await allowedOf(world, acts)).toBe(10);
      expect(await world.ledger.perform(world.callAct(step, credential))).toEqual(refusal("GRANT_EXCEEDED"));
    });

    test("is the step's, and not one for each of its credentials", async () => {
      const world = worldOf();
      const { step, credential } = await stepWith(world, [atMost(1)]);
      const other = await world.issue(step);
      expect(await allowedOf(world, [world.callAct(step, credential), world.callAct(step, other)])).toBe(1);
    });

    test("of a parent is used up by its children together, whatever each of them was granted", async () => {
      const world = worldOf();
      const { agent, step: parent } = await stepWith(world, [atMost(3)]);
      const children = await Promise.all([1, 2].map(() => world.openChild(agent, parent, { grant: [atMost(3)] })));
      const acts: RecordCallAct[] = [];
      for (const child of children) {
        const credential = await world.issue(child);
        acts.push(...[1, 2, 3].map(() => world.callAct(child, credential)));
      }
      expect(await allowedOf(world, acts)).toBe(3);
      expect(await world.ledger.perform(world.callAct(parent, await world.issue(parent)))).toEqual(
        refusal("GRANT_EXCEEDED"),
      );
    });

    test("of a grandparent counts too", async () => {
      const world = worldOf();
      const { agent, step: top } = await stepWith(world, [atMost(1)]);
      const middle = await world.openChild(agent, top, { grant: [atMost(1)] });
      const bottom = await world.openChild(agent, middle, { grant: [atMost(1)] });
      const credential = await world.issue(bottom);
      expect(await world.ledger.perform(world.callAct(bottom, credential))).toMatchObject({ callsLeft: 0 });
      expect(await world.ledger.perform(world.callAct(top, await world.issue(top)))).toEqual(refusal("GRANT_EXCEEDED"));
    });

    test("of a credential that was asked for with less holds for that credential alone", async () => {
      const world = worldOf();
      const { step, credential: whole } = await stepWith(world, [atMost(5)]);
      const narrow = await world.issue(step, { grant: [atMost(2)] });
      const acts = [1, 2, 3].map(() => world.callAct(step, narrow));
      expect(await allowedOf(world, acts)).toBe(2);
      expect(
        await allowedOf(
          world,
          Array.from({ length: 5 }, () => world.callAct(step, whole)),
        ),
      ).toBe(3);
    });

    test.for<{ readonly what: string; readonly grant: Grant; readonly allowed: number }>([
      { what: "two that cover the call: the least", grant: [atMost(4), atMost(2, { identifier: "*" })], allowed: 2 },
      { what: "the same, the other way round", grant: [atMost(2, { identifier: "*" }), atMost(4)], allowed: 2 },
      { what: "one beside an element without: none", grant: [atMost(1), SEARCH], allowed: 6 },
      { what: "the same, the other way round, too", grant: [SEARCH, atMost(1)], allowed: 6 },
    ])("of elements in whatever order: $what", async ({ grant, allowed }) => {
      const world = worldOf();
      const { step, credential } = await stepWith(world, grant);
      expect(
        await allowedOf(
          world,
          Array.from({ length: 6 }, () => world.callAct(step, credential)),
        ),
      ).toBe(allowed);
    });

    test("can be delegated as far as it is left, and no further", async () => {
      const world = worldOf();
      const { agent, step: parent, credential } = await stepWith(world, [atMost(3)]);
      await world.ledger.perform(world.callAct(parent, credential));
      const { stepId: parentStepId, runId, expiresAt } = parent;
      const child = { parentStepId, runId, expiresAt, depth: 1 };
      const open = (grant: Grant) => world.ledger.perform(world.openAct(agent, { ...child, grant }));
      expect(await open([atMost(3)])).toEqual(refusal("DECISION_OUTDATED"));
      expect(await open([atMost(1), atMost(2)])).toEqual(refusal("DECISION_OUTDATED"));
      expect(await open([atMost(2)])).toMatchObject({ kind: "opened" });
    });
  });

  test("what verifiers report of calls adds up, by verifier and kind, and so does what they left out", async () => {
    const world = worldOf();
    const { step } = await stepWith(world);
    const [verifier, other] = [await world.verifier(), await world.verifier()];
    const kind = { stepId: step.stepId, tool: "search", action: "read", outcome: "served" } as const;
    const now = world.clock.now();
    const report = (entryId: string, calls: number, gap: number, outcome: "served" | "refused" = "served") =>
      world.ledger.perform({ act: "record-usage", entryId, usages: [{ ...kind, calls, outcome }], gap, now });
    await report(verifier.entryId, 2, 0);
    await report(verifier.entryId, 3, 4);
    await report(verifier.entryId, 1, 1, "refused");
    await report(other.entryId, 7, 0);
    const { runId, attempt, agent, step: name } = step;
    const ofStep = { ...kind, runId, step: name, attempt, agent, reportedAt: now, usageId: expect.any(Number) };
    expect(await world.store.history.usage({ stepId: step.stepId, limit: 10 })).toEqual([
      { ...ofStep, verifier: other.content.name, calls: 7, gap: 0 },
      { ...ofStep, verifier: verifier.content.name, calls: 1, gap: 5, outcome: "refused" },
      { ...ofStep, verifier: verifier.content.name, calls: 5, gap: 5 },
    ]);
  });

  describe("no call is recorded", () => {
    test("once its step has ended", async () => {
      const world = worldOf();
      const { step, credential } = await stepWith(world);
      await world.close(step);
      const { sequence } = world.ledger.head();
      expect(await world.ledger.perform(world.callAct(step, credential))).toEqual(refusal("STEP_CLOSED"));
      expect(world.ledger.head().sequence).toBe(sequence);
    });

    test("with a credential that was taken back, or one of two that came together", async () => {
      const world = worldOf();
      const { step, credential } = await stepWith(world);
      const other = await world.issue(step);
      const { jti = "" } = other;
      const now = world.clock.now();
      const reason = "keyCompromise" as const;
      await world.ledger.perform({ act: "revoke-credential", credential: { jti }, reason, by: OPERATOR, now });
      const act = world.callAct(step, credential);
      const both = { ...act.presented, issuanceIds: [credential.issuanceId, other.issuanceId] };
      expect(await world.ledger.perform({ ...act, presented: both })).toEqual(refusal("NO_IDENTITY"));
      const unknown = { ...act.presented, issuanceIds: ["iss_unknown"] };
      expect(await world.ledger.perform({ ...act, presented: unknown })).toEqual(refusal("NO_IDENTITY"));
      expect(await world.ledger.perform(act)).toMatchObject({ kind: "sequenced" });
    });

    test("on an entry that has changed since", async () => {
      const world = worldOf();
      const { step, credential, agent } = await stepWith(world);
      const act = world.callAct(step, credential);
      await world.put(agent, 1);
      expect(await world.ledger.perform(act)).toEqual(refusal("DECISION_OUTDATED"));
    });

    test("of a tool, at a place, or with data that the grant does not cover", async () => {
      const world = worldOf();
      const { step, credential } = await stepWith(world);
      for (const own of [
        { tool: "delete" },
        { location: FILES },
        { datatypes: ["secret"] },
        { actions: ["write"] as const },
      ]) {
        expect(await world.ledger.perform(world.callAct(step, credential, own))).toEqual(refusal("GRANT_EXCEEDED"));
      }
      const identityOnly = { ...world.callAct(step, credential) };
      const presented = { ...identityOnly.presented, grant: [] };
      expect(await world.ledger.perform({ ...identityOnly, presented })).toEqual(refusal("GRANT_EXCEEDED"));
      expect(MCP).not.toBe(FILES);
    });
  });
}
