import type { Grant, GrantElement } from "../../src/domain/grant.ts";
import { NO_FACTS } from "../../src/domain/run-facts.ts";
import type { Segment } from "../../src/domain/spiffe-id.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import type { PolicyRequest } from "../../src/ports/policy-engine.ts";

export const SEARCH: GrantElement = {
  type: "mcp_tool",
  locations: ["https://search.example.org"],
  identifier: "search",
  actions: ["read"],
  datatypes: ["internal"],
};

/** A first step of a run that asks to read, at low risk; what is given replaces a part of it. */
export function policyRequest(changes: Partial<PolicyRequest> = {}): PolicyRequest {
  const requested: Grant = changes.requested ?? [SEARCH];
  return {
    act: "open",
    agent: "researcher" as Segment,
    name: { runId: "run-1" as Segment, step: "collect" as Segment, attempt: 1 },
    elements: requested,
    facts: NO_FACTS,
    risk: { domain: "low", agent: "low", run: "low" },
    depth: 0,
    selectors: ["unix:uid:1000"],
    at: 1_800_000_000_000_000 as UnixMicros,
    ...changes,
    requested,
  };
}
