import { expect, test } from "vitest";
import { scalePage } from "../../scripts/scale/page.ts";
import { simulated } from "../../scripts/scale/simulated.ts";
import { read } from "./documents.ts";

const PAGE = "docs/scale.md";

test("the page on scale is what costs, formulas and simulations say: if not, run `make scale`", async () => {
  expect(read(PAGE)).toBe(scalePage(await simulated()));
});

test("what it says shows a bound is there: metrics that the guide explains, and alerts", () => {
  const named = (pattern: RegExp) => [...new Set([...read(PAGE).matchAll(pattern)].map(([name]) => name))];
  const metrics = named(/\bstint_[a-z_]+/g);
  const alerts = named(/\bStint[A-Z][A-Za-z]+/g);
  expect([metrics.length > 0, alerts.length > 0]).toEqual([true, true]);
  expect(metrics.filter((name) => !read("docs/guides/operator.md").includes(`\`${name}`))).toEqual([]);
  expect(alerts.filter((name) => !read("docs/observability/alerts.yaml").includes(`alert: ${name}\n`))).toEqual([]);
});
