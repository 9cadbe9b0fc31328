import { describe, expect, test } from "vitest";
import { NO_DATA_CLASSES, type Ratchet } from "../../src/domain/data-classes.ts";
import type { DecidedOn, DecidedOnWorld } from "../../src/domain/decision.ts";
import type { Grant } from "../../src/domain/grant.ts";
import { type Policy, rootOfSet } from "../../src/domain/policy-set.ts";
import type { RiskLevel, RiskScope } from "../../src/domain/risk.ts";
import { type FactScope, factScopesOf } from "../../src/domain/run-facts.ts";
import type { OpenedStep, Step } from "../../src/domain/step.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import type { JudgedStep } from "../../src/ports/policy-acts.ts";
import { done, GRANT, MCP, OPERATOR, present, type World } from "./ledger-world.ts";

const WRITES: Grant = [
  { type: "mcp_tool", locations: [MCP], identifier: "note", actions: ["write"], datatypes: ["internal", "secret"] },
];

/** What the ledger promises of policies, of risk, of what is known of runs, and of decisions that were made on them. */
export function policiesContract(worldOf: () => World): void {
  const refusal = (code: string) => expect.objectContaining({ kind: "denial", code });
  const policyOf = (policyId: string, text = "permit"): Policy => ({ policyId, file: "f.cedar", line: 1, text });

  function put(world: World, policies: readonly Policy[], activates?: { readonly reason: string }) {
    const act = { act: "put-policy-set", set: { policies, dataClasses: NO_DATA_CLASSES }, origin: "api" } as const;
    const more = activates === undefined ? {} : { activates };
    return world.ledger.perform({ ...act, ...more, by: OPERATOR, now: world.clock.now() });
  }

  async function activate(world: World): Promise<number> {
    return done(await put(world, [policyOf(world.name())], { reason: "test" })).sequence;
  }

  function setRisk(world: World, scope: RiskScope, level: RiskLevel, own: { ttl?: number; raisesOnly?: true } = {}) {
    const { ttl = 60, ...more } = own;
    const expiresAt = addSeconds(secondsOf(world.clock.now()), ttl);
    const of = { scope, level, expiresAt, reason: "an alarm", by: OPERATOR, now: world.clock.now(), ...more };
    return world.ledger.perform({ act: "set-risk", ...of });
  }

  /** The world as it is now around a step. */
  async function guardOf(world: World, step: Step, own: Partial<DecidedOnWorld> = {}): Promise<DecidedOn> {
    const scopes = factScopesOf(step);
    const risks: readonly RiskScope[] = ["domain", `agent:${step.agent}`, `run:${step.runId}`];
    const [known, { value: inForce }] = await Promise.all([
      world.store.steps.world(scopes, risks, "run"),
      world.store.projections.policiesInForce(),
    ]);
    return {
      entries: [],
      world: {
        policies: inForce.sequence,
        facts: known.facts.map(({ scope, version, steps }) => ({ scope, version, steps })),
        risk: risks.map((scope) => ({
          scope,
          sequence: known.risks.find((one) => one.scope === scope)?.sequence ?? 0,
        })),
        ...own,
      },
    };
  }

  const judge = (world: World, ...judged: readonly JudgedStep[]) =>
    world.ledger.perform({ act: "judge-steps", through: world.ledger.head().sequence, judged, now: world.clock.now() });

  function denialOf(world: World, step: Step) {
    const own = { decisionId: world.id("decision"), act: "judge", effect: "deny", reason: "POLICY_DENIED" } as const;
    return world.decisionOn(step, { ...own, granted: [], refused: step.grant });
  }

  describe("sets of policies", () => {
    test("a set reads back as it was put, whatever order its policies came in, with its root", async () => {
      const world = worldOf();
      const [a, b] = [policyOf("a"), policyOf("b", "forbid")];
      const { version, root } = done(await put(world, [b, a]));
      expect(await world.store.policies.policySet(version)).toEqual({
        version,
        root,
        origin: "api",
        policies: [a, b],
        dataClasses: NO_DATA_CLASSES,
      });
      expect(root).not.toBe(rootOfSet([], NO_DATA_CLASSES));
      const [row] = await world.store.policies.policySets();
      expect(row).toMatchObject({ version, root, count: 2, putAt: world.clock.now() });
    });

    test("the same set again is the same version, and records nothing", async () => {
      const world = worldOf();
      const policies = [policyOf(world.name())];
      const first = done(await put(world, policies));
      const head = world.ledger.head().sequence;
      expect(await put(world, policies)).toEqual({ ...first, sequence: 0 });
      expect(world.ledger.head().sequence).toBe(head);
    });

    test("two policies with one id are refused", async () => {
      const world = worldOf();
      expect(await put(world, [policyOf("a"), policyOf("a", "forbid")])).toEqual(refusal("INVALID_FIELD"));
    });

    test("an older version is put in force again, and 0 puts none in force; what is unknown is refused", async () => {
      const world = worldOf();
      const older = done(await put(world, [policyOf(world.name())], { reason: "first" }));
      await activate(world);
      const set = (version: number) =>
        world.ledger.perform({
          act: "activate-policy-set",
          version,
          reason: "back",
          by: OPERATOR,
          now: world.clock.now(),
        });
      const { sequence } = done(await set(older.version));
      const inForce = async () => (await world.store.projections.policiesInForce()).value;
      expect(await inForce()).toMatchObject({ version: older.version, root: older.root, sequence });
      expect(done(await set(older.version)).sequence).toBe(0);
      expect(await set(9_999)).toEqual(refusal("INVALID_FIELD"));
      done(await set(0));
      expect(await inForce()).toMatchObject({ version: 0, root: "" });
    });
  });

  describe("risk", () => {
    test("what was set last is in force until it lapses", async () => {
      const world = worldOf();
      const scope = `agent:${world.name()}` as const;
      done(await setRisk(world, scope, "high"));
      const { sequence, expiresAt } = done(await setRisk(world, scope, "elevated", { ttl: 30 }));
      const known = { scope, level: "elevated", expiresAt, sequence, reason: "an alarm" };
      const mine = async () =>
        (await world.store.policies.risks(secondsOf(world.clock.now()))).filter((one) => one.scope === scope);
      expect(await mine()).toEqual([known]);
      world.clock.advance(30_000);
      expect(await mine()).toEqual([]);
      // Who decides compares with the clock, and with the sequence.
      expect((await world.store.steps.world([], [scope], "run")).risks).toEqual([known]);
    });

    test("who may only raise lowers nothing, neither at once nor by a lapse", async () => {
      const world = worldOf();
      const scope = `run:${world.name()}` as const;
      const { expiresAt } = done(await setRisk(world, scope, "elevated", { ttl: 600 }));
      expect(await setRisk(world, scope, "low", { raisesOnly: true })).toEqual(refusal("NOT_ENTITLED"));
      expect(await setRisk(world, scope, "high", { ttl: 1, raisesOnly: true })).toMatchObject({ expiresAt });
      expect(await setRisk(world, scope, "elevated", { raisesOnly: true })).toEqual(refusal("NOT_ENTITLED"));
      world.clock.advance(600_000);
      const again = done(await setRisk(world, scope, "elevated", { ttl: 5, raisesOnly: true }));
      expect(again.expiresAt).toBe(addSeconds(secondsOf(world.clock.now()), 5));
    });
  });

  describe("what is known of runs", () => {
    test("a grant counts in every scope of its step, and steps count while they are open", async () => {
      const world = worldOf();
      const agent = await world.agent({ ceiling: [...GRANT, ...WRITES] });
      const [run, above] = [world.name(), world.name()];
      const factsOf = async (...runs: readonly string[]) =>
        (
          await world.store.steps.world(
            runs.map((one) => `run:${one}` as const),
            [],
            "run",
          )
        ).facts;
      const reads = await world.open(agent, { runId: above });
      expect(await factsOf(run)).toEqual([]);
      const writes = await world.open(agent, {
        runId: run,
        grant: WRITES,
        factScopes: [`run:${run}`, `run:${above}`],
      });
      const known = { classes: ["internal", "secret"], actions: ["read", "write"] };
      expect(await factsOf(run, above)).toMatchObject([
        { scope: `run:${run}`, ...known, stepsOpen: 1, steps: 1 },
        { scope: `run:${above}`, ...known, stepsOpen: 2, steps: 2, version: 2 },
      ]);
      await world.close(writes);
      await world.close(reads);
      expect(await factsOf(run, above)).toMatchObject([{ stepsOpen: 0 }, { stepsOpen: 0, steps: 2 }]);
    });

    test("a step that counts in several scopes is one step, and of a principal's runs so are all", async () => {
      const world = worldOf();
      const agent = await world.agent();
      const [run, above] = [world.name(), world.name()];
      const scopes = [`run:${run}`, `run:${above}`] as const;
      const factsOf = (ratchet: Ratchet, ...asked: readonly FactScope[]) => world.store.steps.world(asked, [], ratchet);
      const parent = await world.open(agent, { runId: above });
      const child = await world.openChild(agent, parent, { runId: run, factScopes: scopes });
      await world.open(agent, { runId: run });
      expect((await factsOf("run", ...scopes)).together).toEqual({ stepsOpen: 3, steps: 3 });
      await world.close(child);
      expect((await factsOf("run", ...scopes)).together).toEqual({ stepsOpen: 2, steps: 3 });
      const principal = `principal:${"ab".repeat(32)}` as const;
      await world.open(agent, { runId: run, factScopes: [`run:${run}`, principal] });
      expect((await factsOf("run", ...scopes)).together).toEqual({ stepsOpen: 3, steps: 4 });
      const bound = await factsOf("principal", `run:${run}`);
      expect(bound.facts.map(({ scope }) => scope)).toEqual([`run:${run}`, principal]);
      expect(bound.facts[1]).toMatchObject({ stepsOpen: 2, steps: 2 });
      expect(bound.together).toEqual({ stepsOpen: 2, steps: 3 });
    });

    test("a run that begins to work for a principal outdates what was decided on it, whatever it grants", async () => {
      const world = worldOf();
      const agent = await world.agent();
      const step = await world.open(agent);
      const counting = await guardOf(world, step);
      const facts = (counting.world?.facts ?? []).map(({ scope, version }) => ({ scope, version }));
      const decided = { ...counting, ...(counting.world === undefined ? {} : { world: { ...counting.world, facts } }) };
      const open = (own: Partial<OpenedStep>, decidedOn?: DecidedOn) =>
        world.ledger.perform(
          world.openAct(agent, { runId: step.runId, ...own }, decidedOn === undefined ? {} : { decidedOn }),
        );
      expect(await open({}, decided)).toMatchObject({ kind: "opened" });
      const factScopes = [`run:${step.runId}`, `principal:${"ab".repeat(32)}`] as const;
      await open({ factScopes });
      expect(await open({}, decided)).toEqual(refusal("DECISION_OUTDATED"));
      expect((await world.step(step.stepId)).factScopes).toEqual(factScopes);
    });

    test("who opened a step reads back, whether or not policies were asked, and nothing where it was not recorded", async () => {
      const world = worldOf();
      const agent = await world.agent();
      const runtime = world.name();
      const name = { runId: runtime, step: runtime, attempt: 1 };
      const opening = { runtime, parent: { agent: runtime, name }, selectors: ["unix:uid:1"] } as const;
      const situation = {
        ...opening,
        policyVersion: 1,
        facts: { classes: [], actions: [], stepsOpen: 0, steps: 0 },
        risk: { domain: "low", agent: "low", run: "high" },
        depth: 1,
        at: world.clock.now(),
      } as const;
      for (const asked of [{ situation }, { opening }]) {
        const act = world.openAct(agent);
        done(await world.ledger.perform({ ...act, decision: { ...act.decision, ...asked } }));
        expect(await world.store.steps.opening(act.decision.decisionId)).toEqual(opening);
        const { decisionId } = act.decision;
        expect(await world.store.history.decisions({ decisionId, limit: 1 })).toMatchObject([asked]);
      }
      const without = await world.open(agent);
      expect(await world.store.steps.opening(without.decisionId)).toBeUndefined();
    });
  });

  const CHANGES: readonly { readonly what: string; change(world: World, step: Step): Promise<unknown> }[] = [
    { what: "other policies are in force", change: (world) => activate(world) },
    {
      what: "the run was granted something new",
      change: async (world, { runId, agentEntryId }) => {
        const entry = present((await world.entries()).find((one) => one.entryId === agentEntryId));
        return world.open(entry, { runId, grant: WRITES });
      },
    },
    {
      what: "the run has another step",
      change: async (world, { runId, agentEntryId }) => {
        const entry = present((await world.entries()).find((one) => one.entryId === agentEntryId));
        return world.open(entry, { runId });
      },
    },
    { what: "the risk of the trust domain was set", change: (world) => setRisk(world, "domain", "low") },
    { what: "the risk of the agent was set", change: (world, { agent }) => setRisk(world, `agent:${agent}`, "low") },
    { what: "the risk of the run was set", change: (world, { runId }) => setRisk(world, `run:${runId}`, "low") },
  ];

  describe.for(CHANGES)("a decision is outdated once $what", ({ change }) => {
    async function outdated(world: World) {
      const agent = await world.agent({ ceiling: [...GRANT, ...WRITES] });
      const step = await world.open(agent);
      const decidedOn = await guardOf(world, step);
      return { agent, step, decidedOn, change: () => change(world, step) };
    }

    test("nothing is opened on it", async () => {
      const world = worldOf();
      const { agent, step, decidedOn, change: changed } = await outdated(world);
      await changed();
      const opening = await world.ledger.perform(world.openAct(agent, { runId: step.runId }, { decidedOn }));
      expect(opening).toEqual(refusal("DECISION_OUTDATED"));
    });

    test("nothing is issued on it", async () => {
      const world = worldOf();
      const { step, decidedOn, change: changed } = await outdated(world);
      const items = [{ record: world.record(step), decidedOn }];
      const issue = () => world.ledger.perform({ act: "record-issuances", items, now: world.clock.now() });
      await changed();
      expect(await issue()).toEqual([refusal("DECISION_OUTDATED")]);
    });

    test("no step is closed on it, nor does one count as judged", async () => {
      const world = worldOf();
      const { step, decidedOn, change: changed } = await outdated(world);
      await changed();
      const { stepId } = step;
      const head = world.ledger.head().sequence;
      const denied = { stepId, decidedOn, denial: denialOf(world, step) };
      expect(await judge(world, denied)).toMatchObject({ outdated: [stepId], stepsClosed: 0, sequence: 0 });
      expect(await judge(world, { stepId, decidedOn })).toMatchObject({ outdated: [stepId], sequence: 0 });
      expect(world.ledger.head().sequence).toBe(head);
      const now = await guardOf(world, step);
      expect(await judge(world, { ...denied, decidedOn: now })).toMatchObject({ outdated: [], stepsClosed: 1 });
    });
  });

  describe("judging", () => {
    test("what is denied closes with its descendants and names the decision; what is not is noted as judged", async () => {
      const world = worldOf();
      const agent = await world.agent();
      const [denied, stands] = [await world.open(agent), await world.open(agent)];
      const child = await world.openChild(agent, denied);
      await world.issue(child);
      const through = world.ledger.head().sequence;
      const denial = denialOf(world, denied);
      const result = await judge(
        world,
        { stepId: denied.stepId, decidedOn: await guardOf(world, denied), denial },
        { stepId: stands.stepId, decidedOn: await guardOf(world, stands) },
      );
      expect(result).toMatchObject({ stepsClosed: 2, credentialsRevoked: 1, outdated: [] });
      const closed = { state: "REVOKED", closeDecisionId: denial.decisionId };
      expect(await world.step(denied.stepId)).toMatchObject(closed);
      expect(await world.step(child.stepId)).toMatchObject(closed);
      expect(await world.step(stands.stepId)).toMatchObject({ state: "OPEN", judgedSequence: through });
    });

    test("a step that was closed meanwhile is left out", async () => {
      const world = worldOf();
      const step = await world.open(await world.agent());
      const decidedOn = await guardOf(world, step);
      await world.close(step);
      const head = world.ledger.head().sequence;
      expect(await judge(world, { stepId: step.stepId, decidedOn })).toMatchObject({ outdated: [], sequence: 0 });
      expect(world.ledger.head().sequence).toBe(head);
    });

    test("after a rise nothing is issued for a step until it was judged, if anybody judges", async () => {
      const world = worldOf();
      const agent = await world.agent();
      const [run, above] = [world.name(), world.name()];
      const step = await world.open(agent, { runId: run, factScopes: [`run:${run}`, `run:${above}`] });
      const issue = async () =>
        (await world.ledger.perform(world.issueAct([world.record(step)], { entryId: agent.entryId })))[0];
      for (const scope of ["domain", `agent:${step.agent}`, `run:${run}`, `run:${above}`] as const) {
        await activate(world);
        done(await setRisk(world, scope, "elevated"));
        expect(await issue(), scope).toEqual(refusal("DECISION_OUTDATED"));
        done(await setRisk(world, scope, "low"));
        expect(await issue(), `${scope}: it waits also when the risk has fallen again`).toEqual(
          refusal("DECISION_OUTDATED"),
        );
        const none = { act: "activate-policy-set", version: 0, reason: "none", by: OPERATOR } as const;
        done(await world.ledger.perform({ ...none, now: world.clock.now() }));
        expect(await issue(), `${scope}: nobody judges`).toMatchObject({ kind: "sequenced" });
        await activate(world);
        await judge(world, { stepId: step.stepId, decidedOn: await guardOf(world, step) });
        expect(await issue(), `${scope}: it was judged`).toMatchObject({ kind: "sequenced" });
      }
    });
  });
}
