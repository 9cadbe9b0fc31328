// How fast the console is, and what ten open ones cost the broker: `make bench-console`. A real daemon, and Debian's Chromium.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { Outcome } from "../../src/gen/stint/v1/steps_pb.js";
import { startBrowser } from "../../test/console/browser.ts";
import { type ConsoleScene, startConsole } from "../../test/console/console-scene.ts";
import { READ_SEARCH, SEARCH } from "../../test/e2e/entries.ts";
import { type Runtime, runtimeAt } from "../../test/e2e/one-user.ts";
import { writeConsole } from "../pack/bundle.ts";
import { ROOT } from "./checkout.ts";
import { machineName } from "./machine.ts";
import { median } from "./paired-ratio.ts";
import { factsOf } from "./process-facts.ts";
import { print } from "./table.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" } } });
const TIMES = 20;
const CONSOLES = 10;
const AT_ONCE = 8;
const PHASE_MS = 15_000;

await writeConsole(ROOT);
await using scene = await startConsole();
using runtime = runtimeAt(scene.daemon().workloadSocket);
const browser = await startBrowser();
try {
  print(`${machineName()}\n`);
  print(`script, gzip: ${scriptKilobytes()} kB (at most 120)`);
  await warmUp();
  const paints = await paintTimes(browser, scene);
  print(
    `first useful paint, cold cache, ms: p50 ${median(paints).toFixed(0)}, largest ${Math.max(...paints).toFixed(0)} of ${TIMES} (aim 1000)`,
  );
  const delays = await delaysOf(browser, scene, runtime);
  print(
    `an event on the page after its commit, ms: p50 ${median(delays).toFixed(0)}, largest ${Math.max(...delays).toFixed(0)} of ${TIMES} (aim 300)`,
  );
  await costOf(browser, scene);
} finally {
  await browser.close();
}

function scriptKilobytes(): string {
  const files = globSync("*.js", { cwd: join(ROOT, "dist/console/assets") });
  const bytes = files.map(
    (file) => gzipSync(readFileSync(join(ROOT, "dist/console/assets", file)), { level: 9 }).length,
  );
  return (bytes.reduce((sum, one) => sum + one, 0) / 1_000).toFixed(1);
}

async function signedIn(on: Browser, to: ConsoleScene): Promise<Page> {
  const page = await on.newPage();
  await page.goto(await to.link());
  await page.getByRole("heading", { name: "Now" }).waitFor();
  return page;
}

/** A step with a credential, used and closed: three commits at least. */
async function oneStep(): Promise<void> {
  const { step } = await runtime.steps.open({
    runId: "bench",
    step: `s-${crypto.randomUUID()}`,
    agent: "researcher",
    grant: { elements: [READ_SEARCH] },
  });
  if (step === undefined) throw new Error("no step in the answer");
  await runtime.token(step, SEARCH);
  await runtime.steps.close({ stepId: step.stepId, outcome: Outcome.COMPLETED });
}

async function manySteps(count: number): Promise<void> {
  let left = count;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left > 0) {
        left -= 1;
        await oneStep();
      }
    }),
  );
}

async function warmUp(): Promise<void> {
  await manySteps(500);
}

/** From the address to the open steps in view, each time with nothing in the cache. */
async function paintTimes(on: Browser, to: ConsoleScene): Promise<readonly number[]> {
  await runtime.open({ step: "is-open" });
  const times: number[] = [];
  const first = await signedIn(on, to);
  const cookies = await first.context().cookies(to.url);
  await first.close();
  for (let time = 0; time < TIMES; time += 1) {
    const context = await on.newContext();
    await context.addCookies(cookies);
    const page = await context.newPage();
    const began = performance.now();
    await page.goto(`${to.url}/console/`, { waitUntil: "commit" });
    await page.getByText("is-open").first().waitFor();
    times.push(performance.now() - began);
    await context.close();
  }
  return times;
}

/** From the answer to an opening, which comes after its commit, to its row. Both clocks are this machine's. */
async function delaysOf(on: Browser, to: ConsoleScene, by: Runtime): Promise<readonly number[]> {
  const page = await signedIn(on, to);
  await page.evaluate(`globalThis.seen = new Map();
    new MutationObserver(() => {
      for (const { pathname } of document.querySelectorAll("tbody a")) {
        if (!seen.has(pathname)) seen.set(pathname, performance.timeOrigin + performance.now());
      }
    }).observe(document.body, { childList: true, subtree: true });`);
  const delays: number[] = [];
  for (let time = 0; time < TIMES; time += 1) {
    const { step } = await by.steps.open({
      runId: "delays",
      step: `s-${time}`,
      agent: "researcher",
      grant: { elements: [READ_SEARCH] },
    });
    const recorded = performance.timeOrigin + performance.now();
    const path = `/console/steps/${step?.stepId}`;
    await page.locator(`a[href="${path}"]`).first().waitFor({ state: "attached" });
    const shown = Number(await page.evaluate(`seen.get(${JSON.stringify(path)})`));
    delays.push(shown - recorded);
    // As in the middle of a quiet night, and not in the wake of the event before.
    await page.waitForTimeout(4_000 + 37 * time);
  }
  await page.close();
  return delays;
}

/**
 * The broker's CPU a second while the ledger grows without a pause, with ten consoles that look on and with none. Issuing at full speed has one
 * core, so that what they take of a core is what they take of issuing.
 */
async function costOf(on: Browser, to: ConsoleScene): Promise<void> {
  const facts = factsOf(to.daemon().pid);
  const [without, withTen]: [number[], number[]] = [[], []];
  for (let round = 0; round < Number(values.rounds); round += 1) {
    without.push(await cpuPerSecond());
    const pages = await Promise.all(Array.from({ length: CONSOLES }, () => signedIn(on, to)));
    withTen.push(await cpuPerSecond());
    await Promise.all(pages.map((page) => page.context().close()));
  }
  const cost = median(withTen.map((one, round) => one - (without[round] ?? Number.NaN)));
  print(
    `CPU of the broker, ms a second: ${median(without).toFixed(0)} with no console, ${median(withTen).toFixed(0)} with ${CONSOLES}`,
  );
  print(`ten open consoles take ${(cost / 10).toFixed(1)} % of a core (aim 3 %)`);

  async function cpuPerSecond(): Promise<number> {
    // Until pages have taken the ledger for busy.
    await paced(5_000);
    const [before, began] = [facts.cpuSeconds(), performance.now()];
    await paced(PHASE_MS);
    return ((facts.cpuSeconds() - before) * 1_000) / ((performance.now() - began) / 1_000);
  }
}

/** A step every tenth of a second. */
async function paced(ms: number): Promise<void> {
  for (const ends = performance.now() + ms; performance.now() < ends; ) {
    await oneStep();
    await setTimeout(100);
  }
}
