import { expect, test } from "vitest";
import { startBroker } from "../../scripts/bench/broker-process.ts";
import { startCallers, startWatchers } from "../../scripts/bench/compiled-generator.ts";
import { measureJoining } from "../../scripts/bench/joining.ts";
import { goIsMissing } from "../conformance/go-toolchain.ts";

const isMissing = goIsMissing("the tests of the benchmark's verifiers");

test.skipIf(isMissing)(
  "verifiers join at once while credentials are issued, and all of them have a deny-list that is not empty",
  async () => {
    const joining = await measureJoining(undefined, { steps: 100, verifiers: 20, seconds: 0.3 });
    expect(joining.ready).toBe(20);
    expect(joining.p50Ms).toBeLessThanOrEqual(joining.wallSeconds * 1_000);
    expect(joining.failures).toEqual({});
    expect(joining.issuedAlone).toBeGreaterThan(0);
    expect(joining.peakMiB).toBeGreaterThan(0);
  },
);

test.skipIf(isMissing)("all verifiers are told of each close, also after others have taken their place", async () => {
  await using broker = await startBroker();
  await using watchers = await startWatchers(broker);
  for (const verifiers of [5, 3]) {
    expect((await watchers.join(verifiers)).ready).toBe(verifiers);
    const told = await watchers.close(4);
    expect(told.closes).toBe(4);
    expect(told.p50Ms).toBeGreaterThan(0);
    expect(told.p50Ms).toBeLessThanOrEqual(told.maxMs);
  }
});

test.skipIf(isMissing)("an SVID is waited for on a stream that was open before its step", async () => {
  await using broker = await startBroker();
  await using callers = await startCallers("delivery", broker);
  const { count, p50Ms, failures } = await callers.measure({ callers: 1, seconds: 0.4, warmUpSeconds: 0.1 });
  expect(failures).toEqual({});
  expect(count).toBeGreaterThan(0);
  expect(p50Ms).toBeGreaterThan(0);
});
