import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parser } from "@prometheus-io/lezer-promql";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { createMetrics, type MetricsSources } from "../../src/adapters/metrics-prom/metrics-prom.ts";
import { createStandbyMetrics } from "../../src/adapters/metrics-prom/standby-metrics.ts";
import { AUTHORITY_STATES } from "../../src/domain/authority.ts";
import type { UnixMicros } from "../../src/domain/time.ts";

// Goal: no alert and no panel asks for a metric, or by a label, that the broker does not have: such a rule never fires, and nobody
// notices. And every metric of the broker is explained.
// Method: Prometheus' own grammar, and the registry that `/metrics` is made from.

const DOCS = join(import.meta.dirname, "../../docs");
const textOf = (path: string) => readFileSync(join(DOCS, path), "utf8");

type Rule = { readonly alert: string; readonly expr: string; readonly annotations: { readonly summary: string } };
const { groups } = parse(textOf("observability/alerts.yaml")) as { groups: readonly { rules: readonly Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);

type Panel = { readonly title: string; readonly targets?: readonly { readonly expr: string }[] };
const { panels } = JSON.parse(textOf("observability/dashboard.json")) as { panels: readonly Panel[] };

const asked = [
  ...rules.map(({ alert, expr }) => ({ by: alert, expr })),
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ by: `panel ${title}`, expr }))),
];

const none = () => [];
const zero = () => 0;
const SOURCES: MetricsSources = {
  ...{
    ledgerSequence: zero,
    ledgerCommits: zero,
    watchers: zero,
    denialsInForce: zero,
    nodes: zero,
    nodesAttended: zero,
    groupMachinesAttended: zero,
    replicas: zero,
    replicasThere: zero,
    standbys: zero,
    openSteps: zero,
    waitingSteps: zero,
    revoked: zero,
  },
  ...{ callsAllowed: zero, upstreamExpiry: zero, diskFreeBytes: zero, ledgerBytes: zero, isReady: () => true },
  ...{ judged: none, risks: none, issued: none, closed: none, denied: none, exchanges: none, exchangesStanding: none },
  ...{
    retentionRounds: none,
    prunedEvents: zero,
    fanOut: () => undefined,
    verifierLag: none,
    authorityExpiry: none,
    certificateExpiry: none,
  },
};

type Known = { readonly type: string; readonly labels: readonly string[] };

const OF_BROKER = createMetrics(SOURCES).registry;
const OF_STANDBY = createStandbyMetrics(() => ({ now: 0 as UnixMicros }));

/** What broker and standby have, by the names that samples have. */
async function known(): Promise<ReadonlyMap<string, Known>> {
  return new Map([...(await knownTo(OF_BROKER)), ...(await knownTo(OF_STANDBY))]);
}

async function knownTo(registry: typeof OF_BROKER): Promise<ReadonlyMap<string, Known>> {
  const types = new Map((await registry.getMetricsAsJSON()).map(({ name, type }) => [name, String(type)]));
  const metrics = registry.getMetricsAsArray() as unknown as readonly {
    name: string;
    labelNames?: readonly string[];
  }[];
  return new Map(
    metrics.flatMap(({ name, labelNames = [] }) => {
      const type = types.get(name) ?? "";
      if (type !== "histogram") return [[name, { type, labels: labelNames }] as const];
      const ofBuckets = { type: "counter", labels: [...labelNames, "le"] };
      return ["_bucket", "_sum", "_count"].map((suffix) => [name + suffix, ofBuckets] as const);
    }),
  );
}

/** Labels that Prometheus gives every sample that it scrapes. */
const SCRAPED = ["instance", "job"];
/** Functions of what only grows, and starts anew with the process. */
const OF_COUNTERS = ["Rate", "Irate", "Increase"];

type Asked = {
  readonly isSyntax: boolean;
  readonly metrics: readonly { readonly name: string; readonly isRated: boolean; readonly labels: readonly string[] }[];
  readonly grouped: readonly string[];
};

function askedIn(expr: string): Asked {
  // Grafana fills its own variable in.
  const text = expr.replaceAll("$__rate_interval", "5m");
  const metrics: { name: string; isRated: boolean; labels: string[] }[] = [];
  const grouped: string[] = [];
  const functions: string[] = [];
  let isSyntax = true;
  parser.parse(text).iterate({
    enter({ type, name, from, to, node }) {
      if (type.isError) isSyntax = false;
      if (name === "FunctionCall") functions.push(node.firstChild?.firstChild?.name ?? "");
      if (name === "VectorSelector")
        metrics.push({ name: "", isRated: OF_COUNTERS.includes(functions.at(-1) ?? ""), labels: [] });
      const metric = metrics.at(-1);
      if (name === "Identifier" && metric !== undefined) metric.name = text.slice(from, to);
      if (name !== "LabelName") return;
      if (node.parent?.name === "GroupingLabels") grouped.push(text.slice(from, to));
      else metric?.labels.push(text.slice(from, to));
    },
    leave({ name }) {
      if (name === "FunctionCall") functions.pop();
    },
  });
  return { isSyntax, metrics, grouped };
}

describe("alerts and dashboard", () => {
  test.for(asked)("$by asks for what the broker has", async ({ expr }) => {
    const registry = await known();
    const { isSyntax, metrics, grouped } = askedIn(expr);
    expect(isSyntax, expr).toBe(true);
    expect(metrics).not.toEqual([]);
    for (const { name, isRated, labels } of metrics) {
      const metric = registry.get(name);
      expect(metric, name).toBeDefined();
      expect(isRated, `${name}: a counter, and nothing else, is looked at by its rate`).toBe(
        metric?.type === "counter",
      );
      expect([...(metric?.labels ?? []), ...SCRAPED]).toEqual(expect.arrayContaining([...labels, ...grouped]));
    }
  });

  test("name no state that there is not", () => {
    const states = asked.flatMap(({ expr }) => [...expr.matchAll(/state="([^"]*)"/g)].map(([, state]) => state));
    expect(states.length).toBeGreaterThan(0);
    expect(AUTHORITY_STATES).toEqual(expect.arrayContaining(states));
  });

  test("each alert is in the guide, with what to do", () => {
    const guide = textOf("guides/operator.md");
    for (const { alert } of rules) expect(guide).toContain(`\`${alert}\``);
  });
});

test.for([
  { of: "the broker", registry: OF_BROKER, page: "guides/operator.md" },
  { of: "a standby", registry: OF_STANDBY, page: "guides/standby.md" },
])("every metric of $of is in the guide, with its labels", ({ registry, page }) => {
  const guide = textOf(page);
  const metrics = registry.getMetricsAsArray() as unknown as readonly {
    name: string;
    labelNames?: readonly string[];
  }[];
  for (const { name, labelNames = [] } of metrics.filter((one) => one.name.startsWith("stint_"))) {
    const labels = labelNames.length === 0 ? "" : `{${labelNames.join(",")}}`;
    expect(guide).toContain(`\`${name}${labels}\``);
  }
});
