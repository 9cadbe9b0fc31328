import { describe, expect, onTestFinished, test } from "vitest";
import { createCedarEngine } from "../../src/adapters/policy-cedar/cedar-engine.ts";
import { type DenialDetails, DeniedError } from "../../src/domain/denial-details.ts";
import type { Grant, GrantElement } from "../../src/domain/grant.ts";
import type { Policy } from "../../src/domain/policy-set.ts";
import { OPERATOR } from "../simulation/broker.ts";
import { pathScene, READ, segment } from "./path-scene.ts";

const [INTERNAL_READ, WRITE, ERASE]: readonly [GrantElement, GrantElement, GrantElement] = [
  READ,
  { ...READ, identifier: "write_file", actions: ["write"] },
  { ...READ, identifier: "erase", actions: ["execute"] },
];

const POLICIES: readonly Policy[] = [
  { policyId: "permit", file: "a.cedar", line: 1, text: '@id("permit")\npermit (principal, action, resource);' },
  {
    policyId: "signed-off",
    file: "a.cedar",
    line: 4,
    text: '@id("signed-off")\n@approval("operators")\nforbid (principal, action == Action::"execute", resource);',
  },
  {
    policyId: "no-writes",
    file: "a.cedar",
    line: 9,
    text: '@id("no-writes")\nforbid (principal, action == Action::"write", resource);',
  },
  {
    policyId: "no-nights",
    file: "a.cedar",
    line: 12,
    text: '@id("no-nights")\nforbid (principal, action == Action::"open_step", resource) when { context has workflow && context.workflow == "nightly" };',
  },
];

async function denyingScene() {
  const engine = createCedarEngine();
  const scene = await pathScene({}, engine);
  onTestFinished(() => engine.close());
  const set = { policies: POLICIES, dataClasses: { ratchet: "run", classes: {} } } as const;
  const put = { act: "put-policy-set", set, origin: "api", activates: { reason: "first" }, by: OPERATOR } as const;
  await scene.store.ledger.perform({ ...put, now: scene.clock.now() });
  await scene.enter({
    kind: "agent",
    name: "clerk",
    selectors: ["unix:uid:33"],
    ceiling: [INTERNAL_READ, WRITE, ERASE],
    mayOpen: true,
    allowAnyExecutor: true,
  });
  const clerk = scene.kernel.start(33);
  const open = (step: string, grant: Grant, more: { parentStepId?: string; workflow?: string } = {}) =>
    scene.open(clerk, { agent: segment("clerk"), runId: segment("run"), step: segment(step), grant, ...more });
  async function denied(...asked: Parameters<typeof open>): Promise<DenialDetails> {
    const thrown = await open(...asked).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (thrown instanceof DeniedError) return thrown.denial;
    throw thrown ?? new Error("it was opened");
  }
  return { ...scene, open, denied };
}

describe("whoever is denied a step is told what was refused, by whom, and whether approval can help", () => {
  test("each element by whoever refused it first; what was not refused is not named", async () => {
    const { open, denied, store } = await denyingScene();
    const above = { ...READ, identifier: "other" };
    const denial = await denied("s", [READ, above, WRITE]);
    expect(denial).toEqual({
      decisionId: expect.stringMatching(/^dec_/),
      refused: [
        { element: above, layer: "ceiling" },
        { element: WRITE, layer: "policy" },
      ],
      refusedOmitted: 0,
      refusesWhole: false,
    });
    const [decision] = await store.history.decisions({ decisionId: denial.decisionId, limit: 1 });
    expect(decision?.situation).toMatchObject({ aboveCeiling: [1] });

    const { stepId: parentStepId } = await open("parent", [READ]);
    expect((await denied("child", [ERASE], { parentStepId })).refused).toEqual([{ element: ERASE, layer: "parent" }]);
  });

  test("approval can help where policies that ask for it alone stand in the way", async () => {
    const { denied } = await denyingScene();
    expect((await denied("s", [READ, ERASE])).approval).toBe("operators");
    expect((await denied("s", [WRITE, ERASE])).approval).toBeUndefined();
    expect((await denied("s", [ERASE, { ...READ, identifier: "other" }])).approval).toBeUndefined();
  });

  test("a step that may not be opened at all is refused as a whole", async () => {
    const { denied } = await denyingScene();
    expect(await denied("s", [READ], { workflow: "nightly" })).toMatchObject({
      refusesWhole: true,
      refused: [{ element: READ, layer: "policy" }],
    });
  });
});
