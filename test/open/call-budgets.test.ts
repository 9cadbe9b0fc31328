import { describe, expect, test } from "vitest";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import type { Grant, GrantElement } from "../../src/domain/grant.ts";
import type { Step } from "../../src/domain/step.ts";
import { done, worldOf } from "../contract/ledger-world.ts";
import { explainScene } from "../explain/explain-scene.ts";
import { READ, SEARCH, segment } from "./path-scene.ts";

const atMost = (calls: number, own: Partial<GrantElement> = {}): GrantElement => ({
  ...READ,
  max_calls: calls,
  ...own,
});

/** A parent that may call a tool five times, of which it has made some. */
async function budgetScene(made: number) {
  const scene = await explainScene([]);
  const parent = await scene.open("run", "parent", [atMost(5)]);
  const world = worldOf(scene.store, { clock: scene.clock, randomness: systemRandomness() });
  const { revision, entryId } = (await world.entries()).find((one) => one.entryId === parent.agentEntryId) ?? {};
  /** A call for which everything is ready: its record is the next act. */
  async function readyCall(): Promise<() => Promise<unknown>> {
    const credential = world.record(parent, { audiences: [SEARCH] });
    const issue = world.issueAct([credential], { entryId: entryId ?? "", entryRevision: revision ?? 1 });
    const [issued] = await scene.store.ledger.perform(issue);
    done(issued);
    const act = world.callAct(parent, credential, { location: SEARCH });
    const decidedOn = { entries: [{ entryId: parent.agentEntryId, revision: revision ?? 1 }] };
    return async () => done(await scene.store.ledger.perform({ ...act, decidedOn }));
  }
  for (let calls = 0; calls < made; calls += 1) await (await readyCall())();
  let children = 0;
  const below = (grant: Grant, allowPartial: boolean): Promise<Step> => {
    children += 1;
    return scene.open("run", `child-${children}`, grant, { parentStepId: parent.stepId, allowPartial });
  };
  const lastDecision = async () => (await scene.store.history.decisions({ limit: 1 }))[0];
  return { ...scene, readyCall, below, lastDecision };
}

describe("where a part is enough, a budget is granted as far as it is left", () => {
  test("of five calls that are asked for, the three that the parent has left; the decision says so", async () => {
    const { below, lastDecision } = await budgetScene(2);
    expect((await below([atMost(5)], true)).grant).toEqual([atMost(3)]);
    expect(await lastDecision()).toMatchObject({
      effect: "allow",
      requested: [atMost(5)],
      granted: [atMost(3)],
      refused: [atMost(2)],
      situation: { fewerCalls: [{ element: 0, calls: 3 }] },
    });
  });

  test("elements that draw on one budget get no more than is left together, and what is left out is refused", async () => {
    const { below, lastDecision } = await budgetScene(1);
    expect((await below([atMost(3), atMost(3), atMost(3)], true)).grant).toEqual([atMost(3), atMost(1)]);
    expect(await lastDecision()).toMatchObject({ refused: [atMost(2), atMost(3)], situation: { aboveParent: [2] } });
  });

  test("with none left the element is refused, and so is a request for any number", async () => {
    const { below, lastDecision } = await budgetScene(5);
    const refused = { code: "DELEGATION_REFUSED" };
    await expect(below([atMost(1)], true)).rejects.toMatchObject(refused);
    expect(await lastDecision()).toMatchObject({ effect: "deny", refused: [atMost(1)] });
    const { below: other } = await budgetScene(0);
    await expect(other([READ], true)).rejects.toMatchObject(refused);
  });

  test("a call that is made while this is decided counts: it is decided again, on what is left then", async () => {
    const { below, readyCall, onAct } = await budgetScene(2);
    const call = await readyCall();
    const calls: Promise<unknown>[] = [];
    let tries = 0;
    onAct(({ act }) => {
      if (act !== "open-step") return;
      tries += 1;
      if (tries === 1) calls.push(call());
    });
    expect((await below([atMost(5)], true)).grant).toEqual([atMost(2)]);
    await Promise.all(calls);
    expect(tries).toBe(2);
  });

  test("of the ceiling likewise", async () => {
    const { enter, kernel, openBy } = await budgetScene(0);
    const may = { selectors: ["unix:uid:35"], mayOpen: true, allowAnyExecutor: true };
    await enter({ kind: "agent", name: "frugal", ...may, ceiling: [atMost(4)] });
    const frugal = kernel.start(35);
    const asking = { agent: segment("frugal"), runId: segment("frugal"), grant: [atMost(9)] };
    await expect(openBy(frugal, asking)).rejects.toMatchObject({ code: "POLICY_DENIED" });
    expect((await openBy(frugal, { ...asking, allowPartial: true })).grant).toEqual([atMost(4)]);
  });
});

test("without a part being enough it is refused, and an explanation says how many calls would have passed", async () => {
  const { below, lastDecision, explain } = await budgetScene(2);
  await expect(below([atMost(5)], false)).rejects.toMatchObject({ code: "DELEGATION_REFUSED" });
  const { decisionId = "" } = (await lastDecision()) ?? {};
  const [change] = (await explain(decisionId)).changes;
  expect(change).toMatchObject({ grant: [atMost(3)], without: [{ element: atMost(5), maxCalls: 3, actions: [] }] });
  expect((await below(change?.grant ?? [], false)).grant).toEqual([atMost(3)]);
});
