import { onTestFinished } from "vitest";
import { createCedarEngine } from "../../src/adapters/policy-cedar/cedar-engine.ts";
import { readPolicies } from "../../src/adapters/policy-cedar/read-policies.ts";
import { externalAlone, withExternal } from "../../src/decide/with-external.ts";
import type { DataClasses } from "../../src/domain/data-classes.ts";
import { DeniedError } from "../../src/domain/denial-details.ts";
import type { Grant } from "../../src/domain/grant.ts";
import type { Policy } from "../../src/domain/policy-set.ts";
import type { RiskLevel, RiskScope } from "../../src/domain/risk.ts";
import type { Step } from "../../src/domain/step.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { createExplainer } from "../../src/explain/explainer.ts";
import type { ExternalPolicy } from "../../src/ports/external-policy.ts";
import { FILES, pathScene, READ, SEARCH, segment } from "../open/path-scene.ts";
import { OPERATOR } from "../simulation/broker.ts";

export const DATA_CLASSES: DataClasses = {
  ratchet: "run",
  classes: {
    internal: { sensitivity: "ordinary", securityDomain: [] },
    customer: { sensitivity: "restricted", securityDomain: [SEARCH] },
  },
};

/** Line 7 of its file, as the ledger has it. */
export const APPROVAL: Policy = {
  policyId: "site.sign-off",
  file: "site.cedar",
  line: 7,
  text: '@id("site.sign-off")\n@approval("operators")\nforbid (principal, action == Action::"execute", resource);',
};

export type Opening = {
  readonly parentStepId?: string;
  readonly workflow?: string;
  readonly allowPartial?: boolean;
};

type Own = { readonly shared?: true; readonly external?: ExternalPolicy; readonly isAlone?: true };

/**
 * The real paths and engine with the baseline in force, and an explainer with an engine of its own.
 *
 * @param own.shared - the explainer asks the engine that decides.
 * @param own.external - decides too; `isAlone`: by itself, with a set in force that holds no policies.
 */
export async function explainScene(site: readonly Policy[] = [APPROVAL], own: Own = {}) {
  const { external, isAlone = false } = own;
  const cedar = createCedarEngine();
  const engine = external === undefined ? cedar : isAlone ? externalAlone(external) : withExternal(cedar, external);
  const explaining = own.shared === true ? engine : createCedarEngine();
  const scene = await pathScene({}, engine);
  // The scene closes the engine that decides, once nobody asks it any more.
  if (explaining !== engine) onTestFinished(() => explaining.close());
  const { store, clock, broker } = scene;
  const baseline = await readPolicies({ baseline: true });
  async function putInForce(policies: readonly Policy[]): Promise<void> {
    const set = { policies: isAlone ? [] : [...baseline.policies, ...policies], dataClasses: DATA_CLASSES };
    const put = { act: "put-policy-set", set, origin: "api", activates: { reason: "r" }, by: OPERATOR } as const;
    await store.ledger.perform({ ...put, now: clock.now() });
    await broker.ports.policies.inForce();
  }
  await putInForce(site);
  await scene.enter({
    kind: "agent",
    name: "clerk",
    selectors: ["unix:uid:33"],
    ceiling: [
      {
        ...READ,
        identifier: "*",
        locations: [SEARCH, FILES],
        actions: ["read", "write", "execute", "retrieve_secret"],
        datatypes: ["internal", "customer"],
      },
    ],
    mayOpen: true,
    allowAnyExecutor: true,
  });
  const clerk = scene.kernel.start(33);
  const explainer = createExplainer({
    history: store.history,
    steps: store.steps,
    policies: store.policies,
    registryReads: store.registry,
    principals: broker.ports.principals,
    entries: broker.entries,
    engine: explaining,
  });

  async function open(runId: string, step: string, grant: Grant, more: Opening = {}): Promise<Step> {
    return scene.open(clerk, { agent: segment("clerk"), runId: segment(runId), step: segment(step), grant, ...more });
  }
  return {
    ...scene,
    clerk,
    openBy: scene.open,
    open,
    putInForce,
    explain: explainer.explain,
    /** The id of the decision that denied an opening; `undefined` where it was opened. */
    async denied(...asked: Parameters<typeof open>): Promise<string | undefined> {
      try {
        await open(...asked);
        return undefined;
      } catch (thrown) {
        if (thrown instanceof DeniedError) return thrown.denial.decisionId;
        throw thrown;
      }
    },
    setRisk: async (level: RiskLevel, scope: RiskScope = "domain") =>
      store.ledger.perform({
        act: "set-risk",
        scope,
        level,
        expiresAt: addSeconds(secondsOf(clock.now()), 3_600),
        reason: "a detector said so",
        by: OPERATOR,
        now: clock.now(),
      }),
  };
}
