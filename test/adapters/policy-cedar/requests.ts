import { createCedarEngine } from "../../../src/adapters/policy-cedar/cedar-engine.ts";
import { readPolicies } from "../../../src/adapters/policy-cedar/read-policies.ts";
import { splitPolicies } from "../../../src/adapters/policy-cedar/split-policies.ts";
import { type DataClasses, NO_DATA_CLASSES } from "../../../src/domain/data-classes.ts";
import type { GrantElement } from "../../../src/domain/grant.ts";
import type { PolicySet } from "../../../src/domain/policy-set.ts";
import { NO_FACTS } from "../../../src/domain/run-facts.ts";
import type { Segment, StepName } from "../../../src/domain/spiffe-id.ts";
import type { UnixMicros } from "../../../src/domain/time.ts";
import type { PolicyAnswer, PolicyEngine, PolicyRequest } from "../../../src/ports/policy-engine.ts";

export const SEARCH = "https://search.example.org/mcp";

export function stepName(runId = "run-1", step = "plan", attempt = 1): StepName {
  return { runId: runId as Segment, step: step as Segment, attempt };
}

export function elementOf(over: Partial<GrantElement> = {}): GrantElement {
  return {
    type: "mcp_tool",
    locations: [SEARCH],
    identifier: "search",
    actions: ["read"],
    datatypes: ["public"],
    ...over,
  };
}

/** A step that reads public data by one tool, in a run that has done nothing yet. */
export function requestOf(over: Partial<PolicyRequest> = {}): PolicyRequest {
  const elements = over.elements ?? over.requested ?? [elementOf()];
  return {
    act: "open",
    agent: "researcher" as Segment,
    name: stepName(),
    requested: elements,
    elements,
    facts: NO_FACTS,
    risk: { domain: "low", agent: "low", run: "low" },
    depth: 0,
    selectors: ["unix:user:runtime"],
    at: 1_800_000_000_000_000 as UnixMicros,
    ...over,
  };
}

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
