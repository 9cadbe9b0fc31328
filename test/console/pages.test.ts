import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { HistoryField } from "../../src/gen/stint/v1/history_pb.js";
import { createVerifier } from "../../src/sdk/verifier/index.ts";
import { READ_SEARCH, SEARCH } from "../e2e/entries.ts";
import { type OpenedStep, type Runtime, runtimeAt } from "../e2e/one-user.ts";
import { type Operator, operatorOf } from "../e2e/operator.ts";
import { violationsOn } from "./accessibility.ts";
import { describeWithBrowser, keepShot, openTab, startBrowser, type Tab } from "./browser.ts";
import { type ConsoleScene, startConsole } from "./console-scene.ts";

// Goal: every page shows what the ledger has, to everybody, in every light and at every width, and what a model names itself stays text.
// Method: Debian's Chromium, a real daemon, real steps; axe on every page; screenshots in build/console.

/** Names as hostile as they can be made. */
const MARKUP = `<img src=x onerror="alert(1)"><script>alert(2)</script>{{7*7}}\${alert(3)}`;
const TURNED = `txt.\u202Egnp.exe\u2066 ${"w".repeat(100)}`;

let browser: Browser;
let scene: ConsoleScene;
let runtime: Runtime;
let operator: Operator;
let open: OpenedStep;
let closed: OpenedStep;

describeWithBrowser("the console", () => {
  beforeAll(async () => {
    [browser, scene] = await Promise.all([startBrowser(), startConsole()]);
    runtime = runtimeAt(scene.daemon().workloadSocket);
    operator = operatorOf(scene.daemon().operatorSocket);
    const hostile = { purpose: MARKUP, workflow: "w".repeat(128) };
    open = await runtime.open({ runId: "checkout-1", step: "plan", ...hostile } as never);
    const child = await runtime.open({ runId: "checkout-1", step: "look-up", parentStepId: open.stepId });
    closed = await runtime.open({ runId: "checkout-1", step: "pay", parentStepId: open.stepId });
    await runtime.close(closed);
    await runtime.steps
      .open({
        runId: "checkout-1",
        step: "too-much",
        agent: "researcher",
        grant: { elements: [{ ...READ_SEARCH, identifier: "drop" }] },
      })
      .catch(() => undefined);
    await operator.risk
      .set({ scope: { case: "runId", value: "checkout-1" }, level: "elevated", reason: TURNED } as never)
      .catch(() => undefined);
    expect(child.stepId).not.toBe("");
  });
  afterAll(async () => {
    runtime?.[Symbol.dispose]();
    operator?.[Symbol.dispose]();
    await browser?.close();
    await scene?.[Symbol.asyncDispose]();
  });

  async function signedIn(options: Parameters<typeof openTab>[1] = {}): Promise<Tab> {
    const tab = await openTab(browser, options);
    await tab.page.goto(await scene.link());
    await tab.page.getByRole("heading", { name: "Now" }).waitFor();
    return tab;
  }

  /** The pages, each with what says that it is all there. */
  const pages = async (): Promise<readonly (readonly [name: string, path: string, there: string])[]> => {
    const { decisions } = await operator.history.listDecisions({ filter: { runId: "checkout-1" } });
    const denied = decisions.find(({ reason }) => reason !== "")?.decisionId ?? "";
    const { issuances } = await operator.history.listIssuances({ filter: { stepId: open.stepId } });
    return [
      ["now", "", "Open steps, newest first"],
      ["steps", "search/steps?run=checkout-1", "History of steps, newest first"],
      ["issuances", "search/issuances", "History of issuances, newest first"],
      ["decisions", "search/decisions?outcome=deny", "History of decisions, newest first"],
      ["events", "search/events?run=checkout-1", "History of events, newest first"],
      ["usage", "search/usage", "Nothing in the ledger is like that."],
      ["run", "runs/checkout-1", "Events of this run, oldest first"],
      ["step-open", `steps/${open.stepId}`, "Credentials of this step"],
      ["step-closed", `steps/${closed.stepId}`, "closed_sequence"],
      ["issuance", `issuances/${issuances[0]?.issuanceId}`, "to_be_signed_sha256"],
      ["why", `why/${denied}`, "As it was recorded"],
      ["policies", "policies", "Sets of policies, newest first"],
      ["policy-set", "policies/1", "permit"],
      ["reach", "reach?run=checkout-1", "Tools within reach"],
      ["proof", "proof?sequence=5", "Check it here"],
      ["nothing", "no/such/page", "This address is no page of the console."],
    ];
  };

  test.each([
    ["light", { colorScheme: "light", viewport: { width: 1_280, height: 900 } }],
    ["dark", { colorScheme: "dark", viewport: { width: 1_280, height: 900 } }],
    ["narrow", { colorScheme: "light", viewport: { width: 320, height: 700 }, reducedMotion: "reduce" }],
  ] as const)("%s: axe finds nothing on any page, and no page is wider than the window", async (look, options) => {
    const { page, faults, asked } = await signedIn(options);
    for (const [name, path, there] of await pages()) {
      await page.goto(`${scene.url}/console/${path}`);
      await page.getByText(there, { exact: false }).first().waitFor({ state: "attached" });
      await keepShot(page, `${name}-${look}`);
      expect(await violationsOn(page), name).toEqual([]);
      const [content, window] = (await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")) as [
        number,
        number,
      ];
      expect(content, name).toBeLessThanOrEqual(window);
    }
    // Nothing that a model has written was run, and nobody else was asked for anything.
    expect(faults).toEqual([]);
    expect(asked.filter((url) => !url.startsWith(`${scene.url}/console/`))).toEqual([]);
  });

  test("what a model has written is shown as it was written", async () => {
    const { page, faults } = await signedIn();
    await page.goto(`${scene.url}/console/steps/${open.stepId}`);
    await page.getByText(MARKUP, { exact: true }).waitFor();
    expect(await page.locator("main img, main script").count()).toBe(0);
    await page.goto(`${scene.url}/console/search/steps?text=${encodeURIComponent(MARKUP)}`);
    await page.locator("h1").waitFor();
    expect(faults).toEqual([]);
  });

  const HOSTILE = [
    MARKUP,
    TURNED,
    "javascript:alert(1)",
    "../../etc/passwd",
    "%00",
    "%FF",
    "\u0000",
    "x".repeat(4_000),
    "{{constructor}}",
    "-1",
    "1e9",
    "''; DROP TABLE step; --",
  ];
  test.each([
    ...["runs/", "steps/", "issuances/", "why/", "policies/"].map(
      (path) => [path, (value: string) => `${path}${encodeURIComponent(value)}`] as const,
    ),
    ...[
      "reach?step=",
      "reach?key=",
      "proof?sequence=",
      "search/steps?run=",
      "search/decisions?text=",
      "search/issuances?serial=",
      "search/",
    ].map((path) => [path, (value: string) => `${path}${encodeURIComponent(value)}`] as const),
    ["an escape that is none", (value: string) => `steps/%E0%A4%A ${value.slice(0, 1)}`] as const,
  ])("hostile values after %s run nothing, break nothing, and are answered", async (_, addressOf) => {
    const { page, faults } = await signedIn();
    await page.goto(`${scene.url}/console/${addressOf(HOSTILE[0] ?? "")}`);
    for (const value of HOSTILE) {
      const address = `/console/${addressOf(value)}`;
      const { status, body } = await scene.ask(address);
      // An address that is too long for the listener gets no page.
      expect([200, 400, 414, 431]).toContain(status);
      expect(body).not.toContain(value.length > 2 ? value : MARKUP);
      // As a browser goes back and forth, which loads nothing anew.
      await page.evaluate(`history.pushState(null, "", ${JSON.stringify(address)});
        dispatchEvent(new PopStateEvent("popstate"));
        new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));`);
      await page.locator("h1").waitFor();
      await expect.poll(() => page.getByText("Loading…").count()).toBe(0);
      expect(await page.locator("main img, main script").count()).toBe(0);
    }
    // A refusal by the broker is a line in the browser's console, and nothing worse.
    expect(
      faults.filter((fault) => !/^Failed to load resource: the server responded with a status of 4\d\d/.test(fault)),
    ).toEqual([]);
  });

  test("signing in needs the link, once, and signing out ends it for good", async () => {
    const { page, faults } = await openTab(browser);
    await page.goto(`${scene.url}/console/steps/${open.stepId}`);
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await keepShot(page, "sign-in");
    expect(await violationsOn(page)).toEqual([]);
    const link = await scene.link();
    await page.goto(link);
    await page.getByRole("heading", { name: "Now" }).waitFor();
    // The code is in no address that is kept.
    expect(page.url()).toBe(`${scene.url}/console/`);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.goto("about:blank");
    await page.goto(link);
    await page.getByRole("alert").getByText("the link was used before, or its minute is over").waitFor();
    expect(faults.filter((fault) => !fault.includes("401"))).toEqual([]);
  });

  test("a new step comes by itself, and takes neither focus nor selection nor place", async () => {
    const { page } = await signedIn();
    const row = page.locator(`a[href="/console/steps/${open.stepId}"]`).first();
    await row.focus();
    await page.evaluate(`getSelection().selectAllChildren(document.activeElement); scrollTo(0, 40)`);
    const kept = "[document.activeElement.getAttribute('href'), getSelection().toString(), scrollY]";
    const before = await page.evaluate(kept);
    const added = await runtime.open({ step: "comes-by-itself" });
    await page.locator(`a[href="/console/steps/${added.stepId}"]`).first().waitFor({ state: "attached" });
    expect(await page.evaluate(kept)).toEqual(before);
    await runtime.close(added);
    await page.locator(`a[href="/console/steps/${added.stepId}"]`).first().waitFor({ state: "detached" });
    expect(await page.evaluate(kept)).toEqual(before);
  });

  test("a search is in the address, and filters are added and taken away by keyboard alone", async () => {
    const { page } = await signedIn();
    await page.goto(`${scene.url}/console/search/steps`);
    await page.getByLabel("Filter").selectOption("step");
    await page.getByLabel("Value").fill("pay");
    await page.keyboard.press("Enter");
    await page.waitForURL(`${scene.url}/console/search/steps?step=pay`);
    await page.getByText("1 steps shown, which are all").waitFor();
    await page.getByText("stint history steps --step pay").waitFor();
    await page.reload();
    await page.getByText("1 steps shown, which are all").waitFor();
    await page.getByRole("button", { name: "Remove the filter step pay" }).focus();
    await page.keyboard.press("Enter");
    await page.waitForURL(`${scene.url}/console/search/steps`);
    await page.goBack();
    await page.getByText("1 steps shown, which are all").waitFor();
  });

  test.each([
    ["since=tomorrow", "since: an instant such as 2026-01-31T12:00:00Z, or a time ago such as 15m"],
    ["sinse=15m", "steps are not filtered by sinse"],
    ["attempt=many", "attempt"],
  ])("a filter that is none is said to be none: %s", async (query, said) => {
    const { page } = await signedIn();
    await page.goto(`${scene.url}/console/search/steps?${query}`);
    await page.getByRole("alert").getByText(said).waitFor();
  });

  test("a time ago is counted by the broker's clock, whatever the browser's is", async () => {
    const { page } = await signedIn();
    await page.clock.setFixedTime(Date.now() + 7_200_000);
    await page.goto(`${scene.url}/console/search/steps?since=1h&step=pay`);
    await page.getByText("1 steps shown, which are all").waitFor();
  });

  test("the line of a step shows all that became of it, in shapes and in words, down to who applied its end", async () => {
    const verifier = createVerifier({
      endpoint: scene.daemon().workloadSocket,
      audiences: [SEARCH],
      development: true,
    });
    onTestFinished(() => verifier.close());
    await verifier.ready();
    const ended = await runtime.open({ runId: "drawn", step: "ended" });
    await runtime.close(ended, 10);
    await runtime.open({ runId: "drawn", step: "goes-on" });
    const { page } = await signedIn();
    await page.goto(`${scene.url}/console/runs/drawn`);
    const lineOf = (step: string) => page.locator(".timeline li", { hasText: step }).locator("> svg");
    await lineOf("goes-on").waitFor();
    const marks = "1 decision, 1 credential, 1 revocation, 1 receipt, 1 closure";
    await expect.poll(() => lineOf("ended").getAttribute("aria-label")).toMatch(new RegExp(`^\\d+ s, ${marks}$`));
    expect(await lineOf("ended").locator("path").count()).toBe(5);
    expect(await lineOf("goes-on").getAttribute("aria-label")).toMatch(/^\d+ s, 1 decision, 1 credential$/);
    expect(await page.locator(".legend li").allInnerTexts()).toEqual(
      ["decision", "hold", "credential", "revocation", "receipt", "closure"].map((name) =>
        expect.stringContaining(name),
      ),
    );
    await keepShot(page, "run-drawn");
  });

  test("what is shown can be saved, in the columns of the command line", async () => {
    const { page } = await signedIn();
    await page.goto(`${scene.url}/console/search/steps?step=pay`);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Save 1 as CSV" }).click(),
    ]);
    expect(download.suggestedFilename()).toBe("steps.csv");
    const stream = await download.createReadStream();
    const text = (await stream.toArray()).join("");
    const [header, line] = text.split("\r\n");
    expect(header).toMatch(/^step_id,run_id,step,attempt,agent,state,/);
    expect(line).toContain(`${closed.stepId},checkout-1,pay,1,researcher,COMPLETED,`);
  });

  test("revoking shows first what ends, takes one answer that names it, and is in the ledger as the operator's", async () => {
    const victim = await runtime.open({ runId: "to-be-revoked", step: "doomed" });
    const { page } = await signedIn();
    await page.goto(`${scene.url}/console/reach?run=to-be-revoked`);
    await page.getByRole("button", { name: "What would end?" }).click();
    const dialog = page.getByRole("dialog", { name: "Revoke run to-be-revoked" });
    await dialog.getByText("This ends 1 step, 1 credential").waitFor();
    expect(await violationsOn(page)).toEqual([]);
    await keepShot(page, "revoke-light");
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    // The focus is where it was.
    expect(await page.evaluate("document.activeElement.textContent")).toBe("What would end?");
    expect((await runtime.steps.get({ by: { case: "stepId", value: victim.stepId } })).step?.state).toBe(2);
    await page.getByRole("button", { name: "What would end?" }).click();
    await dialog.getByRole("button", { name: "Revoke: 1 step, 1 credential" }).click();
    await page.getByText("1 step, 1 credential.").waitFor();
    const { events } = await operator.history.listEvents({ filter: { runId: "to-be-revoked" }, type: "step.closed" });
    expect(JSON.parse(Buffer.from(events[0]?.canonical ?? []).toString())).toMatchObject({ by: { kind: "operator" } });
  });

  test("a proof is checked in the browser, by the key that is pasted, and by nobody else", async () => {
    const { page, asked } = await signedIn();
    const { verifierKey } = await operator.ledger.getCheckpoint({});
    const { issuances } = await operator.history.listIssuances({
      filter: { terms: [{ field: HistoryField.STEP_ID, values: [open.stepId] }] },
    });
    await page.goto(`${scene.url}/console/proof?issuance=${issuances[0]?.issuanceId}`);
    await expect.poll(() => page.getByLabel("Receipt").inputValue()).toMatch(/^c2sp.org\/tlog-proof/);
    await page.getByLabel("Key of the ledger").fill(verifierKey);
    const before = asked.length;
    await page.getByRole("button", { name: "Check it here" }).click();
    await page.getByRole("heading", { name: "It holds" }).waitFor();
    await keepShot(page, "proof-holds");
    expect(await violationsOn(page)).toEqual([]);
    expect(asked.slice(before).filter((url) => url.includes("/api/") && !url.endsWith("Status/Follow"))).toEqual([]);
    // One character of what is proved.
    const proof = await page.getByLabel("Receipt").inputValue();
    const at = proof.indexOf("extra ") + 20;
    await page
      .getByLabel("Receipt")
      .fill(`${proof.slice(0, at)}${proof[at] === "A" ? "B" : "A"}${proof.slice(at + 1)}`);
    await page.getByRole("button", { name: "Check it here" }).click();
    await page.getByText("It does not hold:").waitFor();
    await page.getByLabel("Key of the ledger").fill("no key");
    await page.getByRole("button", { name: "Check it here" }).click();
    await page.getByText("expected a verifier key").waitFor();
  });

  test("a closure receipt is checked the same way", async () => {
    const { page } = await signedIn();
    const { verifierKey } = await operator.ledger.getCheckpoint({});
    await page.goto(`${scene.url}/console/proof?step=${closed.stepId}`);
    await expect.poll(() => page.getByLabel("Receipt").inputValue()).toMatch(/^stint-closure/);
    await page.getByLabel("Key of the ledger").fill(verifierKey);
    await page.getByRole("button", { name: "Check it here" }).click();
    await page.getByRole("heading", { name: "It holds" }).waitFor();
    await page.getByText(closed.stepId).first().waitFor();
  });

  test("policies are tried before they decide anything", async () => {
    const { page } = await signedIn();
    await page.goto(`${scene.url}/console/policies`);
    const text = page.getByLabel("Policies, in the language of Cedar");
    await page.getByRole("button", { name: "Edit a copy of version 1" }).click();
    await expect.poll(() => text.inputValue()).toContain("baseline.ceiling");
    await page.getByRole("button", { name: "Validate" }).click();
    await page.getByText("Nothing is wrong with these policies.").waitFor();
    await page.getByLabel("with the policies that come with the broker").check();
    await text.fill("permit (principal, action");
    await page.getByRole("button", { name: "Validate" }).click();
    await page.getByText("console.cedar:1:").waitFor();
    await text.fill(
      `@id("no-${MARKUP.replaceAll(/["\\\\]/g, "")}") forbid (principal, action == Action::"read", resource);`,
    );
    await page.getByRole("button", { name: "Validate" }).click();
    await page
      .getByText(/Nothing is wrong|policy|id/)
      .first()
      .waitFor();
    await text.fill(`@id("no-reading") forbid (principal, action == Action::"read", resource);`);
    await page.getByRole("button", { name: "Replay over history" }).click();
    await page.getByText("Decisions that would be others").first().waitFor({ state: "attached" });
    await keepShot(page, "policies-replayed");
    expect(await violationsOn(page)).toEqual([]);
    await page.getByRole("button", { name: "Record as a new version" }).click();
    await page.getByRole("link", { name: "version 2" }).waitFor();
    await page.getByRole("button", { name: "Activate version 2" }).click();
    const dialog = page.getByRole("dialog", { name: "Activate version 2" });
    await dialog.getByText("open step").waitFor();
    await dialog.getByLabel("Reason, which is recorded").fill("tried it");
    await dialog.getByRole("button", { name: "Activate version 2" }).click();
    await page.getByText("Version 2 is in force").waitFor();
    expect((await operator.policies.list({})).activation).toMatchObject({
      version: 2,
      reason: "tried it",
      byOperator: true,
    });
    // What decides from then on is what was tried.
    await expect(
      runtime.open({ step: "not-any-more", grant: { elements: [{ ...READ_SEARCH, locations: [SEARCH] }] } }),
    ).rejects.toMatchObject({ reason: "POLICY_DENIED" });
  });
});
