import { expect, test } from "vitest";
import { type Cause, type Descendant, descendants, stepsToClose } from "../../src/audit/descendants.ts";
import { grantUseOfAgents, grantUseOfSteps } from "../../src/audit/grant-use.ts";
import { addSeconds, microsOf, secondsOf } from "../../src/domain/time.ts";
import { answerAct, intendAct, intentFor } from "./exchange-acts.ts";
import { MCP, present, type World } from "./ledger-world.ts";

/** What descends from a cause, and what was granted beside what was used. */
export function descendantsContract(worldOf: () => World): void {
  async function past(world: World) {
    const [agent, other] = [await world.agent(), await world.agent()];
    const verifier = await world.verifier();
    const parent = await world.open(agent);
    const child = await world.openChild(other, parent);
    const beside = await world.open(agent);
    const key = "ab".repeat(32);
    const ofParent = await world.issue(parent);
    const ofChild = await world.issue(child, { publicKeySha256: key });
    const ofBeside = await world.issue(beside);
    const intent = intentFor(world, child);
    await world.ledger.perform(intendAct(world, child, intent));
    const outcome = { kind: "issued", expiresAt: addSeconds(secondsOf(world.clock.now()), 60) } as const;
    await world.ledger.perform(answerAct(world, intent, outcome));
    const served = { stepId: child.stepId, tool: "search", action: "read", outcome: "served", calls: 3 } as const;
    const usages = [served, { ...served, outcome: "refused", calls: 2 } as const];
    await world.ledger.perform({
      act: "record-usage",
      entryId: verifier.entryId,
      usages,
      gap: 0,
      now: world.clock.now(),
    });
    return { agent, other, parent, child, beside, ofParent, ofChild, ofBeside, intent, key };
  }

  async function told(world: World, cause: Cause) {
    const all: Descendant[] = [];
    for await (const one of descendants(cause, {}, world.store.history, world.clock.now())) all.push(one);
    return {
      steps: all.flatMap((one) => (one.kind === "step" ? [one.step.stepId] : [])),
      issuances: all.flatMap((one) => (one.kind === "issuance" ? [one.issuance.issuanceId] : [])),
      exchanges: all.flatMap((one) => (one.kind === "exchange" ? [one.exchange.exchangeId] : [])),
      reach: all.flatMap((one) => (one.kind === "reach" ? [one.reach] : [])),
      summary: all.flatMap((one) => (one.kind === "summary" ? [one.summary] : [])),
    };
  }

  test("a step's descendants are told with their credentials, other secrets, reach, use, and when the last dies", async () => {
    const world = worldOf();
    const { parent, child, ofParent, ofChild, intent } = await past(world);
    const live = await told(world, { kind: "step", stepId: parent.stepId });
    expect(live).toEqual({
      steps: [parent.stepId, child.stepId],
      issuances: [ofParent.issuanceId, ofChild.issuanceId],
      exchanges: [intent.exchangeId],
      reach: [{ location: MCP, tool: "search", actions: ["read"], datatypes: ["internal"], steps: 2, calls: 3 }],
      summary: [
        {
          steps: 2,
          stepsOpen: 2,
          credentials: 2,
          credentialsLive: 2,
          exchanges: 1,
          exchangesAlive: 1,
          lastDiesAt: microsOf(ofChild.expiresAt),
          audiences: [...new Set([...ofParent.audiences, ...ofChild.audiences])].toSorted(),
          calls: 3,
        },
      ],
    });
    world.clock.advance(1_000);
    await world.close(parent);
    const ended = await told(world, { kind: "step", stepId: parent.stepId });
    expect(ended.issuances).toEqual(live.issuances);
    expect(ended.summary).toMatchObject([{ stepsOpen: 0, credentialsLive: 0, lastDiesAt: world.clock.now() }]);
  });

  test("every cause names its steps and what was delegated from them, and nothing beside", async () => {
    const world = worldOf();
    const { agent, other, parent, child, beside, key } = await past(world);
    const both = [parent.stepId, child.stepId];
    const cases: readonly (readonly [Cause, readonly string[]])[] = [
      [{ kind: "step", stepId: child.stepId }, [child.stepId]],
      [{ kind: "run", runId: parent.runId }, both],
      [{ kind: "run", runId: beside.runId }, [beside.stepId]],
      [{ kind: "entry", entryId: agent.entryId }, [...both, beside.stepId]],
      [{ kind: "entry", entryId: other.entryId }, [child.stepId]],
      [{ kind: "decision", decisionId: parent.decisionId }, both],
      [{ kind: "key", sha256: key }, [child.stepId]],
      [{ kind: "principal", principalId: "nobody" }, []],
      [{ kind: "process", process: { ...parent.opener, startTimeTicks: 1 } }, []],
      [{ kind: "decision", decisionId: "dec_unknown" }, []],
    ];
    for (const [cause, steps] of cases) {
      const found = (await told(world, cause)).steps.filter((stepId) => [...both, beside.stepId].includes(stepId));
      expect([cause, found.toSorted()]).toEqual([cause, steps.toSorted()]);
    }
    const { steps } = await told(world, { kind: "process", process: parent.opener });
    expect(steps).toEqual(expect.arrayContaining(both));
    const { history } = world.store;
    const now = world.clock.now();
    expect(await stepsToClose({ kind: "key", sha256: key }, history, now)).toContain(child.stepId);
    await world.close(parent);
    expect(await stepsToClose({ kind: "key", sha256: key }, history, now)).not.toContain(child.stepId);
  });

  test("of an entry, what it was issued itself is told too", async () => {
    const world = worldOf();
    const { agent, parent } = await past(world);
    const subject = { kind: "infrastructure", entryId: agent.entryId } as const;
    const own = await world.issue(parent, { kind: "x509-svid", subject });
    const { issuances } = await told(world, { kind: "entry", entryId: agent.entryId });
    expect(issuances).toHaveLength(4);
    expect(issuances.at(-1)).toBe(own.issuanceId);
  });

  test("what was granted stands beside what was used, for each step and for each agent", async () => {
    const world = worldOf();
    const { other, parent, child } = await past(world);
    const { history } = world.store;
    const terms = [{ field: "run", values: [parent.runId], isExcluded: false } as const];
    const { uses } = await grantUseOfSteps({ terms, limit: 10 }, history);
    const search = { tool: "search", grantedActions: ["read"], stepsGranted: 1 };
    expect(uses).toMatchObject([
      { ...search, step: { stepId: child.stepId }, usedActions: ["read"], calls: 3, callsInVain: 2, stepsUsed: 1 },
      { ...search, step: { stepId: parent.stepId }, usedActions: [], calls: 0, callsInVain: 0, stepsUsed: 0 },
    ]);
    const second = await world.openChild(other, await world.step(parent.stepId).then(present));
    expect(second.agent).toBe(child.agent);
    const byAgent = await grantUseOfAgents({ terms, limit: 10 }, history);
    expect(byAgent.filter(({ agent }) => agent === other.content.name)).toEqual([
      {
        ...search,
        agent: other.content.name,
        usedActions: ["read"],
        calls: 3,
        callsInVain: 2,
        stepsGranted: 2,
        stepsUsed: 1,
      },
    ]);
  });
}
