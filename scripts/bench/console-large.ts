// What the console is like on a ledger of ten million events: `make bench-console-large`, EVENTS=1000000 for fewer. The ledger is that of
// `make bench-large`, which takes a quarter of an hour to fill and is kept under `build`. A real daemon, and Debian's Chromium.
import { parseArgs } from "node:util";
import type { Page } from "playwright-core";
import { startBrowser } from "../../test/console/browser.ts";
import { startConsole } from "../../test/console/console-scene.ts";
import { writeConsole } from "../pack/bundle.ts";
import { ROOT } from "./checkout.ts";
import { keptLedger } from "./kept-ledger.ts";
import { machineName } from "./machine.ts";
import { factsOf } from "./process-facts.ts";
import { print, printRow } from "./table.ts";
import { entriesOf, TRUST_DOMAIN } from "./workload.ts";

const { values } = parseArgs({ options: { events: { type: "string", default: "10000000" } } });
const ROWS_SCROLLED = 40_000;
const WIDTHS = { first: 44, cell: 12 };

const dataDirectory = await keptLedger(Number(values.events));
await writeConsole(ROOT);
await using scene = await startConsole({
  config: { trust_domain: TRUST_DOMAIN, data_directory: dataDirectory },
  entries: [
    ...entriesOf(),
    { kind: "operator", name: "bench", selectors: [`unix:uid:${process.getuid?.()}`], role: "admin" },
  ],
});
const facts = factsOf(scene.daemon().pid);
const browser = await startBrowser();
try {
  print(`${machineName()}; a ledger of ${values.events} events or more\n`);
  const page = await browser.newPage();
  await page.goto(await scene.link());
  await page.getByRole("heading", { name: "Now" }).waitFor();
  printRow("", ["ms", "rows drawn"], WIDTHS);

  await show(page, "");
  const step = await firstOf(page, "steps");
  const issuance = await firstOf(page, "issuances");
  const decision = await firstOf(page, "decisions");
  const event = await firstOf(page, "events");
  for (const list of ["usage", "exchanges"]) await show(page, `search/${list}`);
  for (const place of [issuance, decision, event, step]) await show(page, place);
  await show(page, await linkOf(page, 'a[href^="/console/runs/"]'));
  await show(page, "proof?sequence=1");
  await show(page, "search/issuances?agent=bench&tool=search");
  await show(page, "search/events?type=step.closed");
  await show(page, "search/decisions?outcome=deny");
  await show(page, "search/issuances?since=1m");
  await show(page, "search/steps?step=not-one-of-them");
  await show(page, "search/issuances?not-agent=bench");
  await show(page, "reach?agent=bench");
  await scroll(page);
  print(`\nthe broker's peak: ${facts.peakMiB().toFixed(0)} MiB`);
} finally {
  await browser.close();
}

/** Shows a list, and gives where its first row leads. */
async function firstOf(page: Page, list: string): Promise<string> {
  await show(page, `search/${list}`);
  return linkOf(page, "tbody a");
}

async function linkOf(page: Page, selector: string): Promise<string> {
  return String(await page.locator(selector).first().getAttribute("href")).replace("/console/", "");
}

/** Goes to a page, and prints how long it took until all was there, and what it said. */
async function show(page: Page, place: string): Promise<void> {
  const began = performance.now();
  await page.goto(`${scene.url}/console/${place}`, { waitUntil: "commit" });
  await page.locator("h1").waitFor();
  await page.getByText("Loading…").first().waitFor({ state: "detached", timeout: 60_000 });
  const ms = performance.now() - began;
  const rows = await page.locator("tbody tr").count();
  const said = [
    ...(await page.getByRole("alert").allTextContents()),
    ...(await page.locator(".quiet").allTextContents()),
  ];
  printRow(place.replace(/[0-9a-f-]{20,}/, "<id>") || "now", [ms.toFixed(0), String(rows)], WIDTHS);
  for (const one of said) print(`    ${one}`);
}

async function scroll(page: Page): Promise<void> {
  await show(page, "search/issuances");
  const began = performance.now();
  const table = page.locator(".table");
  await table.hover();
  const shown = async () => Number((await page.locator(".bar").textContent())?.split(" ")[0]);
  while ((await shown()) < ROWS_SCROLLED) {
    await table.evaluate((element) => element.scrollTo(0, element.scrollHeight));
    await page.waitForTimeout(5);
  }
  const heap = Number(await page.evaluate("performance.memory.usedJSHeapSize")) / 1_048_576;
  print(
    `\n${await shown()} issuances scrolled to in ${((performance.now() - began) / 1_000).toFixed(1)} s, ` +
      `${await page.locator("tbody tr").count()} rows drawn, ${heap.toFixed(0)} MiB in the browser`,
  );
}
