import { createCedarEngine } from "../../../src/adapters/policy-cedar/cedar-engine.ts";
import { readPolicies } from "../../../src/adapters/policy-cedar/read-policies.ts";
import { splitPolicies } from "../../../src/adapters/policy-cedar/split-policies.ts";
import { type DataClasses, NO_DATA_CLASSES } from "../../../src/domain/data-classes.ts";
import type { PolicySet } from "../../../src/domain/policy-set.ts";
import type { PolicyAnswer, PolicyEngine, PolicyRequest } from "../../../src/ports/policy-engine.ts";
import { requestOf } from "../../samples/policy-request.ts";

export function setOf(text: string, dataClasses: DataClasses = NO_DATA_CLASSES): PolicySet {
  const { policies, findings } = splitPolicies(text, "site.cedar");
  if (findings.length > 0) throw new Error(JSON.stringify(findings));
  return { policies, dataClasses };
}

export async function baselineSet(): Promise<PolicySet> {
  const { policies, findings } = await readPolicies({ baseline: true });
  if (findings.length > 0) throw new Error(JSON.stringify(findings));
  return { policies, dataClasses: NO_DATA_CLASSES };
}

/** An engine with one set, which is asked alone. */
export type Asking = AsyncDisposable & {
  readonly engine: PolicyEngine;
  ask(over?: Partial<PolicyRequest>): Promise<PolicyAnswer>;
};

export async function asking(set: PolicySet): Promise<Asking> {
  const engine = createCedarEngine();
  try {
    await engine.load("root", set);
  } catch (thrown) {
    await engine.close();
    throw thrown;
  }
  return {
    engine,
    ask: (over) => engine.evaluate("root", requestOf(over)),
    [Symbol.asyncDispose]: () => engine.close(),
  };
}
