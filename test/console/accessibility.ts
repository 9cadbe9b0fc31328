import axe from "axe-core";
import type { Page } from "playwright-core";

/** Of WCAG 2.2, levels A and AA. */
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** What axe finds on a page, each with its rule and place. */
export async function violationsOn(page: Page): Promise<readonly string[]> {
  // The debugger's own way in, which the page's policy does not concern.
  await page.evaluate(axe.source);
  const found = (await page.evaluate(`axe.run(document, { runOnly: ${JSON.stringify(TAGS)} })`)) as axe.AxeResults;
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")} ${failureSummary ?? ""}`),
  );
}
