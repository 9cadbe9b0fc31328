import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { startBroker } from "../../scripts/bench/broker-process.ts";
import { startGenerator } from "../../scripts/bench/generator.ts";

test("a load is measured as often as it is asked for, with the CPU of all three; what fails says so", async () => {
  await using broker = await startBroker();
  await expect(startGenerator("load", broker, { kind: "nothing" })).rejects.toThrow(
    "load ended before it was asked to",
  );

  await using generator = await startGenerator("load", broker, { kind: "open" });
  for (const callers of [1, 64]) {
    const loaded = await generator.measure({ callers, seconds: 0.3, warmUpSeconds: 0.1 });
    expect(loaded.count).toBeGreaterThan(0);
    expect(loaded.wallSeconds).toBeGreaterThanOrEqual(0.29);
    expect(loaded.cpuSeconds.generator).toBeGreaterThan(0);
    expect(loaded.cpuSeconds.broker).toBeGreaterThan(0);
    expect(loaded.cpuSeconds.others).toBeGreaterThanOrEqual(0);
  }
});

test("one revocation closes all steps of a run, and the event loop and the memory are seen meanwhile", async () => {
  let delayFile: string;
  {
    await using broker = await startBroker({ watchesEventLoop: true });
    delayFile = broker.delayFile;
    await using generator = await startGenerator("bulk-close", broker, { delays: delayFile });
    const closed = await generator.measure({ steps: 100 });
    expect(closed.steps).toBe(100);
    expect(closed.loopMaxMs).toBeGreaterThan(0);
    expect(closed.loopP50Ms).toBeLessThanOrEqual(closed.loopP99Ms);
    expect(closed.loopP99Ms).toBeLessThanOrEqual(closed.loopMaxMs);
    expect(closed.peakMiB).toBeGreaterThanOrEqual(closed.answeredMiB);
  }
  expect(existsSync(dirname(delayFile))).toBe(false);
});

test("open steps are judged anew twice: a level that is low again keeps all, one that is high closes all", async () => {
  await using broker = await startBroker({ policies: { baseline: true } });
  await using generator = await startGenerator("rejudge", broker);
  const { before, kept, closed } = await generator.measure({ steps: 100 });
  expect(before.count).toBeGreaterThan(0);
  expect(kept).toMatchObject({ judged: 100, closed: 0 });
  expect(closed).toMatchObject({ judged: 100, closed: 100 });
});

test("a decision is measured with all that a site has, and the engine's CPU is told apart", async () => {
  await using generator = await startGenerator("decisions");
  for (const isNew of [false, true]) {
    const decided = await generator.measure({ sitePolicies: 20, isNew, times: 50 });
    expect(decided.times).toBe(50);
    expect(decided.p50Micros).toBeLessThanOrEqual(decided.p99Micros);
    expect(decided.engineMicros).toBeGreaterThan(0);
  }
});
