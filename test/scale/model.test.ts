import { describe, expect, test } from "vitest";
import { COST_VALUES, type CostValues } from "../../scripts/scale/costs.ts";
import {
  brokerDenials,
  credentialsPerStep,
  eventsPerStep,
  INTERNET,
  type Load,
  shared,
  verifierDenials,
} from "../../scripts/scale/load.ts";
import {
  bounds,
  brokersFor,
  bus,
  groups,
  issueMeanMs,
  sharedLogCeiling,
  stepMicros,
  stepsPerGroupMax,
} from "../../scripts/scale/model.ts";
import { simulateBroker } from "../../scripts/scale/simulate-broker.ts";
import { simulateBus } from "../../scripts/scale/simulate-bus.ts";
import { simulateSharedLog } from "../../scripts/scale/simulate-shared-log.ts";

// Goal: the closed formulas of docs/scale.md are what follows from what they describe.
// Method: each is compared with a simulation on virtual time, in which the group queue, the deny-lists and the stream on NATS are the broker's own.
// What a simulation says depends on its seed alone.

/** The same broker, so many times as slow, with as many times fewer steps: all that is a share or a ratio is the same. */
const SLOWER = 20;

function slowed(costs: CostValues): CostValues {
  const slow = (name: keyof CostValues) => costs[name] * SLOWER;
  return {
    ...costs,
    ...{ mainOpenClose: slow("mainOpenClose"), mainIssue: slow("mainIssue"), mainHold: slow("mainHold") },
    ...{ ledgerOpenClose: slow("ledgerOpenClose"), ledgerIssue: slow("ledgerIssue"), ledgerHold: slow("ledgerHold") },
    fsync: slow("fsync"),
  };
}

const oneOf = (load: Load) => shared(load, brokersFor(load, COST_VALUES) * SLOWER);

/** Within so many percent. */
function expectAbout(seen: number, formula: number, percent: number, what: string): void {
  expect(Math.abs(seen / formula - 1) * 100, `${what}: simulated ${seen}, by the formula ${formula}`).toBeLessThan(
    percent,
  );
}

/** The most of many looks at a count, which is more by chance: within four of its standard deviations. */
function expectAtMost(seen: number, formula: number, what: string): void {
  expectAbout(seen, formula, (4 * 100) / Math.sqrt(formula), what);
}

describe.for([
  { name: "the load of the page", load: INTERNET, fsync: COST_VALUES.fsync },
  { name: "tokens of half a minute", load: { ...INTERNET, ttlSeconds: 30 }, fsync: COST_VALUES.fsync },
  { name: "tokens of ten minutes", load: { ...INTERNET, ttlSeconds: 600 }, fsync: COST_VALUES.fsync },
  { name: "steps of ten seconds", load: { ...INTERNET, openSteps: 100_000 }, fsync: COST_VALUES.fsync },
  { name: "a disk that is ten times as slow", load: INTERNET, fsync: 10 * COST_VALUES.fsync },
])("a broker, $name", ({ load: whole, fsync }) => {
  const load = oneOf(whole);
  const costs = slowed({ ...COST_VALUES, fsync });
  const seen = simulateBroker({ load, costs, warmUpSeconds: load.ttlSeconds + 80, seconds: 180, seed: 7 });

  test("has as many steps, credentials and denials", async () => {
    const found = await seen;
    expectAbout(found.openSteps, load.openSteps, 5, "open steps");
    expectAbout(found.credentialsPerStep, credentialsPerStep(load), 5, "credentials");
    expectAbout(found.eventsPerStep, eventsPerStep(load), 5, "events");
    expectAtMost(found.brokerDenials, brokerDenials(load), "denials at the broker");
    expectAtMost(found.verifierDenials, verifierDenials(load), "denials at a verifier");
  });

  test("keeps its two threads as busy, and shares commits as much", async () => {
    const found = await seen;
    expectAbout(
      found.mainUtilisation,
      (load.stepsPerSecond * stepMicros(load, costs).main) / 1_000_000,
      5,
      "event loop",
    );
    const { actsPerCommit, utilisation } = groups(load, costs);
    expectAbout(found.ledgerUtilisation, utilisation, 8, "ledger's thread");
    expectAbout(found.actsPerCommit, actsPerCommit, 12, "acts in a commit");
  });

  // Of a few renewals the mean is a matter of chance.
  test.runIf(credentialsPerStep(load) > 1.1)("answers as soon", async () => {
    expectAbout((await seen).issueMeanMs, issueMeanMs(load, costs), 20, "a credential, from call to answer");
  });
});

test("a log that replicas share records what the formula says, and less with each replica more", async () => {
  const { ledger, apply } = stepMicros(INTERNET, COST_VALUES);
  const seen: number[] = [];
  for (const replicas of [1, 2, 3, 8]) {
    const found = await simulateSharedLog({
      ...{ replicas, stepsPerGroup: stepsPerGroupMax(INTERNET), turnSeconds: COST_VALUES.sharedTurn / 1_000 },
      ...{ recordSeconds: ledger / 1_000_000, applySeconds: apply / 1_000_000, seconds: 60 },
    });
    expectAbout(found, sharedLogCeiling(INTERNET, COST_VALUES, replicas), 2, `${replicas} replicas`);
    seen.push(found);
  }
  expect(seen).toEqual(seen.toSorted((a, b) => b - a));
});

describe("the stream on NATS", () => {
  const ofBrokers = (brokers: number) => {
    const load = shared(INTERNET, brokers);
    const denials = Math.round(brokerDenials(load));
    return { load, run: { closesPerSecond: load.stepsPerSecond, denials, seconds: 60, seed: 3 } };
  };

  test.for([10, 40, 200])("of one of %i brokers begins anew as often as the formula says", async (brokers) => {
    const { load, run } = ofBrokers(brokers);
    const seen = await simulateBus(run, COST_VALUES);
    const formula = bus(load, COST_VALUES);
    expect(formula.isEndless).toBe(false);
    expectAbout(seen.messagesPerSecond, formula.messagesPerSecond, 10, "messages a second");
    expectAbout(seen.cycleSeconds, formula.cycleSeconds, 10, "seconds from one to the next");
    expectAbout(seen.amplification, formula.amplification, 10, "denials told again for each that is new");
  });

  test("of a deny-list of more than a million begins anew without end", async () => {
    const { load, run } = ofBrokers(1);
    expect(bus(load, COST_VALUES).isEndless).toBe(true);
    const { wholeShare } = await simulateBus({ ...run, seconds: 8 }, COST_VALUES);
    expectAbout(wholeShare, 0.5, 10, "share of the time");
  });
});

test("a load is spread over so many brokers that none is beyond any of its bounds, and over no more", () => {
  const brokers = brokersFor(INTERNET, COST_VALUES);
  const least = Math.min(...Object.values(bounds(INTERNET, COST_VALUES)));
  expect(INTERNET.stepsPerSecond / brokers).toBeLessThanOrEqual(least);
  expect(INTERNET.stepsPerSecond / (brokers - 1)).toBeGreaterThan(least);
});
