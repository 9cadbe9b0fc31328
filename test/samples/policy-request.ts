import type { GrantElement } from "../../src/domain/grant.ts";
import { NO_FACTS } from "../../src/domain/run-facts.ts";
import type { Segment, StepName } from "../../src/domain/spiffe-id.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import type { PolicyRequest } from "../../src/ports/policy-engine.ts";

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
