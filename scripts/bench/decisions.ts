// Measures, in a process of its own, what one decision costs in the engine as the broker asks it.
import process from "node:process";
import { createCedarEngine } from "../../src/adapters/policy-cedar/cedar-engine.ts";
import { readPolicies } from "../../src/adapters/policy-cedar/read-policies.ts";
import { splitPolicies } from "../../src/adapters/policy-cedar/split-policies.ts";
import { NO_DATA_CLASSES } from "../../src/domain/data-classes.ts";
import type { GrantElement } from "../../src/domain/grant.ts";
import { NO_FACTS } from "../../src/domain/run-facts.ts";
import type { Segment } from "../../src/domain/spiffe-id.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import type { PolicyRequest } from "../../src/ports/policy-engine.ts";
import { measureWhenAsked } from "./measure-when-asked.ts";
import type { Asked, Decided } from "./measurements.ts";
import { AUDIENCE, percentile } from "./workload.ts";

/** Of the site's policies, those that name the agent that asks. */
const CONCERNING = 10;
const WARM_UP_TIMES = 2_000;

const engine = createCedarEngine();
const loaded = new Set<string>();

/** The baseline, and so many policies of a site: ten about the agent that asks, all others about as many other agents. */
async function load(sitePolicies: number): Promise<string> {
  const root = `with-${sitePolicies}`;
  if (loaded.has(root)) return root;
  const text = Array.from({ length: sitePolicies }, (_, index) =>
    sitePolicy(index < CONCERNING ? "bench" : `stranger-${index}`, index),
  ).join("\n");
  const baseline = await readPolicies({ baseline: true });
  const site = splitPolicies(text, "site.cedar");
  await engine.load(root, {
    policies: [...baseline.policies, ...site.policies],
    dataClasses: NO_DATA_CLASSES,
  });
  loaded.add(root);
  return root;
}

function sitePolicy(agent: string, index: number): string {
  return `@id("site.${index}")
forbid (principal == Agent::"${agent}", action == Action::"write", resource)
when { context.server == Server::"https://barred-${index}.bench.example/mcp" };`;
}

/** One element that reads and writes, in a run that is confined: so the server is looked at by the baseline too. */
function requestAt(server: string): PolicyRequest {
  const element: GrantElement = {
    type: "mcp_tool",
    locations: [server],
    identifier: "search",
    actions: ["read", "write"],
    datatypes: ["internal"],
  };
  return {
    act: "open",
    agent: "bench" as Segment,
    name: { runId: "run" as Segment, step: "step" as Segment, attempt: 1 },
    runtime: "bench" as Segment,
    requested: [element],
    elements: [element],
    facts: NO_FACTS,
    risk: { domain: "low", agent: "low", run: "low" },
    depth: 0,
    selectors: ["unix:uid:1000"],
    confinedTo: [server],
    at: 1_800_000_000_000_000 as UnixMicros,
  };
}

let servers = 0;
function newServer(): string {
  servers += 1;
  return `https://tool-${servers}.bench.example/mcp`;
}

await measureWhenAsked(async ({ sitePolicies, isNew, times }: Asked["decisions"]): Promise<Decided> => {
  const root = await load(sitePolicies);
  const ask = async () => {
    const { whole, elements } = await engine.evaluate(root, requestAt(isNew ? newServer() : AUDIENCE));
    if (whole.effect !== "allow" || elements[0]?.effect !== "allow") throw new Error("was not permitted");
  };
  for (let time = 0; time < WARM_UP_TIMES; time += 1) await ask();
  const latenciesMicros: number[] = [];
  const [all, own] = [process.cpuUsage(), process.threadCpuUsage()];
  for (let time = 0; time < times; time += 1) {
    const startedMs = performance.now();
    await ask();
    latenciesMicros.push((performance.now() - startedMs) * 1_000);
  }
  const asker = sum(process.threadCpuUsage(own));
  const engineMicros = sum(process.cpuUsage(all)) - asker;
  latenciesMicros.sort((a, b) => a - b);
  return {
    times,
    p50Micros: percentile(latenciesMicros, 0.5),
    p99Micros: percentile(latenciesMicros, 0.99),
    engineMicros: engineMicros / times,
    askerMicros: asker / times,
  };
});
await engine.close();

function sum({ user, system }: { readonly user: number; readonly system: number }): number {
  return user + system;
}
