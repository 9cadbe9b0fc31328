import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { Outcome } from "../../src/gen/stint/v1/steps_pb.js";
import { APPROVER_UID, ASK_FIRST, isRoot, OPERATORS_GID, policiesIn } from "../e2e/approval-daemon.ts";
import { type Caller, callerAs } from "../e2e/as-user.ts";
import { READ_SEARCH } from "../e2e/entries.ts";
import { runtimeAt } from "../e2e/one-user.ts";
import { violationsOn } from "./accessibility.ts";
import { describeWithBrowser, keepShot, openTab, startBrowser } from "./browser.ts";
import { ENTRIES, startConsole } from "./console-scene.ts";

// Goal: a page never passes for one of now that is not, nothing that somebody was at is lost when the broker goes, and of two who answer one
// request the second is told so. Method: a real browser, and a daemon that is stopped, killed, and asked by somebody else meanwhile.

let browser: Browser;

describeWithBrowser("a console in trouble", () => {
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser.close());

  async function signedIn(options: Parameters<typeof startConsole>[0] = {}) {
    const scene = await startConsole(options);
    onTestFinished(() => scene[Symbol.asyncDispose]());
    const tab = await openTab(browser);
    await tab.page.goto(await scene.link());
    await tab.page.getByRole("heading", { name: "Now" }).waitFor();
    return { ...tab, scene };
  }

  test("a broker that stands still: the page says that it is stale, keeps what it showed, and goes on", async () => {
    const { page, scene } = await signedIn();
    await page.getByText(/^live, event/).waitFor();
    process.kill(scene.daemon().pid, "SIGSTOP");
    onTestFinished(() => void process.kill(scene.daemon().pid, "SIGCONT"));
    await page
      .getByRole("status")
      .getByText(/^stale: nothing heard since/)
      .waitFor();
    await page.getByText("verifiers connected").waitFor();
    await keepShot(page, "stale");
    expect(await violationsOn(page)).toEqual([]);
    process.kill(scene.daemon().pid, "SIGCONT");
    await page.getByText(/^live, event/).waitFor();
  });

  test("a broker that was killed: the page says so, and what was typed is there when somebody has signed in again", async () => {
    const { page, scene } = await signedIn();
    await page.goto(`${scene.url}/console/policies`);
    await page.getByText(/^live, event/).waitFor();
    await scene.daemon().kill();
    await page
      .getByRole("status")
      .getByText(/^stale: the broker does not answer/)
      .waitFor();
    await keepShot(page, "away");
    await scene.restarted();
    await page.getByRole("alert").getByText("You are not signed in any more.").waitFor();
    // The place is kept: whoever signs in again is where they were.
    expect(page.url()).toBe(`${scene.url}/console/policies`);
  });

  test("a list that can't be had keeps its rows, and comes back by itself", async () => {
    const { page, scene, context } = await signedIn();
    using runtime = runtimeAt(scene.daemon().workloadSocket);
    const step = await runtime.open({ step: "is-there" });
    const row = page.locator(`a[href="/console/steps/${step.stepId}"]`).first();
    await row.waitFor();
    await context.route("**/stint.v1.History/ListSteps", (route) => route.abort());
    await runtime.open({ step: "is-missed" });
    await page.getByRole("alert").getByText("the broker does not answer").first().waitFor();
    expect(await row.count()).toBe(1);
    await context.unroute("**/stint.v1.History/ListSteps");
    await page.getByText("is-missed").first().waitFor();
    await expect.poll(() => page.getByRole("alert").count()).toBe(0);
  });

  test("a ledger that grows without a pause: the page goes on showing what is open, and asks less often", async () => {
    const { page, scene } = await signedIn();
    using runtime = runtimeAt(scene.daemon().workloadSocket);
    const shared: string[] = [];
    page.on("requestfinished", (asked) => {
      if (asked.headers()["cache-control"] === "max-age=3") shared.push(asked.url());
    });
    // Until the page has taken it for busy, and has asked so a few times.
    while (shared.length < 12) await runtime.close(await runtime.open());
    expect(await page.getByRole("alert").count()).toBe(0);
    const last = await runtime.open({ step: "is-the-last" });
    await page.locator(`a[href="/console/steps/${last.stepId}"]`).first().waitFor();
    expect(await page.getByRole("alert").count()).toBe(0);
  });

  test.skipIf(!isRoot)("two operators at one request: the second is told, and nothing is done twice", async () => {
    const site = policiesIn(ASK_FIRST);
    onTestFinished(() => site[Symbol.dispose]());
    const own = `unix:uid:${process.getuid?.()}`;
    const steward = { kind: "operator", name: "steward", selectors: [`unix:uid:${APPROVER_UID}`], role: "approver" };
    const { page, scene } = await signedIn({
      // Whoever asks does not approve: another user asks.
      entries: [
        { kind: "agent", name: "clerk", selectors: ["unix:uid:4242"], ceiling: [READ_SEARCH], may_open: true },
        { kind: "operator", name: "night-shift", selectors: [own], role: "admin" },
        { kind: "operator", name: "desk", selectors: [own], role: "approver" },
        steward,
      ],
      config: (directory) => ({
        policies: { directory: site.directory },
        operator: { socket: `${directory}/operator.sock`, group: OPERATORS_GID },
      }),
    });
    const clerk = await callerAs({ uid: 4_242 }, scene.daemon().workloadSocket);
    onTestFinished(() => clerk[Symbol.asyncDispose]());
    const request = { runId: "asks", step: "s", agent: "clerk", grant: { elements: [READ_SEARCH] } };
    const ask = (runId: string) =>
      clerk.call("Steps", "open", { ...request, runId, executor: { self: {} }, acceptPending: true } as never);
    const { step } = await ask("asks");
    await page.getByRole("button", { name: "Answer" }).click();
    const dialog = page.getByRole("dialog", { name: "Step s of clerk" });
    await dialog.getByLabel("Reason, which is recorded").fill("looked at it");
    await keepShot(page, "approve-light");
    expect(await violationsOn(page)).toEqual([]);

    const other: Caller = await callerAs({ uid: APPROVER_UID, groups: [OPERATORS_GID] }, scene.daemon().operatorSocket);
    onTestFinished(() => other[Symbol.asyncDispose]());
    await other.call("Approvals", "refuse", { stepId: step.stepId, reason: "was first" } as never);
    await dialog.getByRole("button", { name: "Approve" }).click();
    await dialog.getByRole("alert").getByText("STEP_CLOSED").waitFor();
    // What was written is there still.
    expect(await dialog.getByLabel("Reason, which is recorded").inputValue()).toBe("looked at it");
    await page.keyboard.press("Escape");
    await page.getByText("Nothing waits for anybody.").waitFor();

    const { step: next } = await ask("asks-again");
    await page.getByRole("button", { name: "Answer" }).click();
    await dialog.getByLabel("Reason, which is recorded").fill("fine");
    await dialog.getByRole("button", { name: "Approve" }).click();
    await page.getByText("Nothing waits for anybody.").waitFor();
    const answered = await other.call("Steps", "get", { stepId: next.stepId } as never);
    expect(answered.step.approval.answer).toMatchObject({ approved: true, reason: "fine" });
  });

  test("of a list with many rows those in view are drawn, and all can be reached", async () => {
    const { page, scene } = await signedIn({ entries: ENTRIES });
    using runtime = runtimeAt(scene.daemon().workloadSocket);
    const steps = 1_200;
    for (let done = 0; done < steps; done += 100) {
      const batch = Array.from({ length: 100 }, async (_, index) => {
        const asked = { runId: "many", step: `s-${done + index}`, agent: "researcher" };
        const { step } = await runtime.steps.open({ ...asked, grant: { elements: [READ_SEARCH] } });
        await runtime.steps.close({ stepId: step?.stepId ?? "", outcome: Outcome.COMPLETED });
      });
      await Promise.all(batch);
    }
    await page.goto(`${scene.url}/console/search/steps?run=many`);
    await page.getByText("500 steps shown, more below").waitFor();
    const table = page.getByRole("region", { name: "History of steps, newest first" });
    const drawn = () => table.locator("tbody tr").count();
    expect(await drawn()).toBeLessThan(80);
    const toEnd = () =>
      table.evaluate((box: { scrollTop: number; readonly scrollHeight: number }) => {
        box.scrollTop = box.scrollHeight;
      });
    await expect
      .poll(async () => {
        await toEnd();
        return page.getByText(`${steps} steps shown, which are all`).count();
      })
      .toBe(1);
    await table.getByText("s-0", { exact: true }).waitFor();
    expect(await drawn()).toBeLessThan(80);
    expect(await table.locator("table").getAttribute("aria-rowcount")).toBe(String(steps + 1));
    // Further down, what is new waits until it is asked for.
    await runtime.open({ runId: "many", step: "newest" });
    await page.getByRole("button", { name: "Show what is new" }).click();
    await table.getByText("newest", { exact: true }).waitFor();
  });
});
