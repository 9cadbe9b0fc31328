import fc from "fast-check";
import { expect, test } from "vitest";
import type { GrantElement } from "../../../src/domain/grant.ts";
import { type FactScope, factScopesOf } from "../../../src/domain/run-facts.ts";
import type { Step } from "../../../src/domain/step.ts";
import { GRANT, ports, worldOf } from "../../contract/ledger-world.ts";
import { openMemoryLedger } from "../../memory/memory-ledger.ts";
import { segment } from "../../open/path-scene.ts";

const RUNS = ["a", "b", "c"] as const;
const CLASSES = ["public", "internal", "customer", "payroll"];

const opening = fc.record({
  kind: fc.constant("open" as const),
  runId: fc.constantFrom(...RUNS),
  others: fc.subarray(["run:a", "run:b", "run:c", "principal:p"] as const),
  datatypes: fc.subarray(CLASSES),
  actions: fc.subarray(["read", "write", "execute"] as const, { minLength: 1 }),
  parent: fc.option(fc.nat(), { nil: undefined }),
  /** Takes the place of an attempt that is open. */
  supersedes: fc.boolean(),
});
const closing = fc.record({ kind: fc.constant("close" as const), which: fc.nat() });

test("what is known of each scope is what its steps were granted, and how many of them there are and are open", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof({ weight: 3, arbitrary: opening }, closing), { maxLength: 25 }),
      async (acts) => {
        const given = ports();
        const store = await openMemoryLedger(given);
        const world = worldOf(store, given);
        const agent = await world.agent();
        const opened: Step[] = [];
        const known = new Map<FactScope, { classes: Set<string>; actions: Set<string> }>();
        const now = () => Promise.all(opened.map(({ stepId }) => world.step(stepId)));

        for (const act of acts) {
          const open = (await now()).filter((step) => step?.state === "OPEN");
          if (act.kind === "close") {
            const step = open[act.which % Math.max(1, open.length)];
            if (step !== undefined) await world.close(step);
            continue;
          }
          const replaced = act.supersedes ? open.find((step) => step?.runId === act.runId) : undefined;
          const parent =
            replaced === undefined && act.parent !== undefined
              ? open[act.parent % Math.max(1, open.length)]
              : undefined;
          const scopes = [
            ...new Set<FactScope>([
              `run:${act.runId}`,
              ...(parent === undefined ? [] : factScopesOf(parent)),
              ...act.others,
            ]),
          ];
          const grant = [{ ...GRANT[0], datatypes: act.datatypes, actions: act.actions } as GrantElement];
          const step = await world.open(
            agent,
            {
              runId: segment(act.runId),
              grant,
              ...(scopes.length === 1 ? {} : { factScopes: scopes }),
              ...(replaced === undefined ? {} : { step: replaced.step, attempt: replaced.attempt + 1 }),
              ...(parent === undefined
                ? {}
                : { parentStepId: parent.stepId, expiresAt: parent.expiresAt, depth: parent.depth + 1 }),
            },
            { supersedes: replaced !== undefined },
          );
          opened.push(step);
          const all = scopes.map(
            (scope) => known.get(scope) ?? { classes: new Set<string>(), actions: new Set<string>() },
          );
          const classes = new Set([...all.flatMap((one) => [...one.classes]), ...act.datatypes]);
          const actions = new Set([...all.flatMap((one) => [...one.actions]), ...act.actions]);
          for (const scope of scopes) known.set(scope, { classes, actions });
        }

        const steps = (await now()).flatMap((step) => step ?? []);
        const inScope = (scope: FactScope) => steps.filter((step) => factScopesOf(step).includes(scope));
        const { facts, through } = await store.steps.world([...known.keys()], []);
        expect(through).toBe(store.ledger.head().sequence);
        expect(facts.map(({ version: _, ...rest }) => rest)).toEqual(
          [...known].map(([scope, { classes, actions }]) => ({
            scope,
            classes: [...classes].sort(),
            actions: [...actions].sort(),
            steps: inScope(scope).length,
            stepsOpen: inScope(scope).filter(({ state }) => state === "OPEN").length,
          })),
        );
        expect(await store.verifyAll()).toEqual({ kind: "intact" });
        await store.close();
      },
    ),
    { numRuns: 25 },
  );
});
