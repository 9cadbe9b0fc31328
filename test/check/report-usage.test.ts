import { expect, test } from "vitest";
import { type ReportedUsage, reportUsage } from "../../src/check/report-usage.ts";
import { createUsageJournal } from "../../src/check/usage-journal.ts";
import type { LedgerEvent } from "../../src/domain/ledger-event.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { FILES } from "../contract/ledger-world.ts";
import { callerBy, checkScene } from "./check-scene.ts";

async function usageScene() {
  const scene = await checkScene();
  const { jti = "" } = await scene.world.issue(scene.step);
  const usageJournal = createUsageJournal({ ledger: scene.store.ledger, clock: scene.clock });
  let reports = 0;
  const served: ReportedUsage = { jti, tool: "search", action: "read", outcome: "served", calls: 1 };
  return {
    ...scene,
    jti,
    served,
    /** Under an id of its own, unless it is said otherwise. */
    report(usages: readonly Partial<ReportedUsage>[], own: { readonly reportId?: string; readonly gap?: number } = {}) {
      reports += 1;
      const report = { reportId: own.reportId ?? `report-${reports}`, gap: own.gap ?? 0 };
      const all = usages.map((usage) => ({ ...served, ...usage }));
      return reportUsage(callerBy(scene.verifier), { ...report, usages: all }, { ...scene.ports, usageJournal });
    },
    events: async () =>
      (await scene.store.history.events({ type: "usage.reported", limit: 100, oldestFirst: true })).map(
        ({ canonical }) =>
          JSON.parse(Buffer.from(canonical).toString()) as LedgerEvent & { readonly type: "usage.reported" },
      ),
  };
}

/** Lets what was reported come to the journal, and then the journal's timer fire. */
async function settled<T>(
  scene: { readonly clock: { advance(ms: number): void } },
  all: readonly Promise<T>[],
): Promise<readonly T[]> {
  // Reads of the scene's ledger answer at once, so that nothing of it is left after one turn of the event loop.
  await new Promise(setImmediate);
  scene.clock.advance(1_000);
  return Promise.all(all);
}

test("what a verifier reports is on record when it is answered, and the operator reads it", async () => {
  const scene = await usageScene();
  const [answer] = await settled(scene, [
    scene.report([{ calls: 3 }, { tool: "delete", outcome: "refused" }], { gap: 2 }),
  ]);
  expect(answer).toEqual({ refused: 0 });
  expect(await scene.store.history.usage({ runId: scene.step.runId, limit: 10 })).toMatchObject([
    { tool: "delete", outcome: "refused", calls: 1, gap: 2 },
    { tool: "search", outcome: "served", calls: 3, stepId: scene.step.stepId },
  ]);
});

test("however many reports of a verifier come in a second, they are one event", async () => {
  const scene = await usageScene();
  await settled(scene, [scene.report([{}])]);
  await settled(
    scene,
    Array.from({ length: 20 }, () => scene.report([{}])),
  );
  const events = await scene.events();
  expect(events.map(({ usages }) => usages[0]?.calls)).toEqual([1, 21]);
});

test("a report that is sent again counts once", async () => {
  const scene = await usageScene();
  await settled(
    scene,
    [1, 2, 3].map(() => scene.report([{ calls: 5 }], { reportId: "same" })),
  );
  await settled(scene, [scene.report([{ calls: 5 }], { reportId: "same" })]);
  expect(await scene.store.history.usage({ limit: 10 })).toMatchObject([{ calls: 5 }]);
});

test("more kinds of calls than an event holds are counted as left out, and nothing is lost without a count", async () => {
  const scene = await usageScene();
  const tools = Array.from({ length: LIMITS.usagesPerEventMax + 50 }, (_, index) => `tool-${index}`);
  const reports = [tools.slice(0, 100), tools.slice(100, 200), tools.slice(200)];
  await settled(
    scene,
    reports.map((part) => scene.report(part.map((tool) => ({ tool, calls: 2 })))),
  );
  const [event, ...others] = await scene.events();
  expect(others).toEqual([]);
  const counted = event?.usages.reduce((sum, { calls }) => sum + calls, 0) ?? 0;
  expect([event?.usages.length, counted + (event?.gap ?? 0)]).toEqual([LIMITS.usagesPerEventMax, 2 * tools.length]);
});

test("the longest names there are fit into one event", async () => {
  const scene = await usageScene();
  const tools = Array.from({ length: LIMITS.usagesPerEventMax }, (_, index) => `${index}`.padEnd(128, "t"));
  const usages = tools.map(
    (tool) => ({ tool, action: "retrieve_secret", outcome: "stopped", calls: 4_294_967_295 }) as const,
  );
  await settled(scene, [scene.report(usages.slice(0, 100)), scene.report(usages.slice(100))]);
  expect((await scene.events())[0]?.usages).toHaveLength(LIMITS.usagesPerEventMax);
});

test("a credential for another server's audience, or none of this broker's, is not reported about", async () => {
  const scene = await usageScene();
  const { jti: elsewhere = "" } = await scene.world.issue(scene.step, { audiences: [FILES] });
  const [answer] = await settled(scene, [scene.report([{ jti: elsewhere }, { jti: "unknown" }, {}])]);
  expect(answer).toEqual({ refused: 2 });
  expect(await scene.store.history.usage({ limit: 10 })).toMatchObject([{ calls: 1 }]);
});

test("an agent does not report what it has called", async () => {
  const scene = await usageScene();
  const usageJournal = createUsageJournal({ ledger: scene.store.ledger, clock: scene.clock });
  const report = { reportId: "r", usages: [scene.served], gap: 0 };
  await expect(reportUsage(callerBy(scene.agent), report, { ...scene.ports, usageJournal })).rejects.toMatchObject({
    code: "NOT_ENTITLED",
  });
});

test.for([
  { what: "no calls", usages: [{ calls: 0 }], field: "usages.calls" },
  { what: "any tool", usages: [{ tool: "*" }], field: "usages.tool" },
  { what: "an unknown action", usages: [{ action: "peek" }], field: "usages.action" },
  { what: "an unknown outcome", usages: [{ outcome: undefined }], field: "usages.outcome" },
  { what: "nothing", usages: [], field: "usages" },
  { what: "too much at once", usages: Array(LIMITS.usagesPerReportMax + 1).fill({}), field: "usages" },
] as { what: string; usages: Partial<ReportedUsage>[]; field: string }[])(
  "a report of $what is refused with the field",
  async ({ usages, field }) => {
    const scene = await usageScene();
    await expect(scene.report(usages)).rejects.toMatchObject({ code: "INVALID_FIELD", metadata: { field } });
  },
);
