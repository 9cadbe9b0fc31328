import { existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { describe, onTestFinished } from "vitest";

/** Debian's, and others' of the same make. */
const EXECUTABLE = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
if (EXECUTABLE === undefined) process.stderr.write("tests with a browser: skipped, no Chromium (make chromium)\n");

/** For what needs a browser. */
export const describeWithBrowser = describe.skipIf(EXECUTABLE === undefined);

const SCREENSHOTS = resolve(import.meta.dirname, "../../build/console");
const FLAGS = [
  "--disable-gpu",
  // It asks nobody on the network for anything of its own.
  ...[
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
  ],
  // Its sandbox can't be had as root.
  ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
];

export function startBrowser(): Promise<Browser> {
  return chromium.launch({ ...(EXECUTABLE !== undefined && { executablePath: EXECUTABLE }), args: FLAGS });
}

/** A page in a context of its own, with all that went wrong in it. */
export type Tab = {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly faults: readonly string[];
  readonly asked: readonly string[];
};

export async function openTab(browser: Browser, options: BrowserContextOptions = {}): Promise<Tab> {
  const context = await browser.newContext({ viewport: { width: 1_280, height: 900 }, ...options });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const faults: string[] = [];
  const asked: string[] = [];
  page.on("pageerror", ({ message }) => faults.push(message));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  page.on("request", (request) => asked.push(request.url()));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return { page, context, faults, asked };
}

/** Keeps how a page looks, for people to look at: build/console. */
export async function keepShot(page: Page, name: string): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
}
