import { COST_VALUES } from "./costs.ts";
import { brokerDenials, INTERNET } from "./load.ts";
import { MICROS, stepsPerGroupMax } from "./model.ts";
import { MICROS_OF_STEP, ONE, REPLICAS } from "./question.ts";
import { type BrokerSeen, simulateBroker } from "./simulate-broker.ts";
import { type BusSeen, simulateBus } from "./simulate-bus.ts";
import { simulateSharedLog } from "./simulate-shared-log.ts";

/** What the page compares its formulas with. */
export type Simulated = {
  readonly broker: BrokerSeen;
  readonly bus: BusSeen;
  /** Steps a second, for each number of replicas. */
  readonly replicas: readonly number[];
};

/** The results are those of the seed, so that the page is the same each time that it is made. */
const SEED = 1;
const SECONDS = 60;
/** As long as the longest that a denial stays. */
const WARM_UP_SECONDS = 200;

/** Some seconds of computing. */
export async function simulated(): Promise<Simulated> {
  const run = { seconds: SECONDS, seed: SEED };
  const broker = await simulateBroker({ load: ONE, costs: COST_VALUES, warmUpSeconds: WARM_UP_SECONDS, ...run });
  const denials = Math.round(brokerDenials(ONE));
  const bus = await simulateBus({ closesPerSecond: ONE.stepsPerSecond, denials, ...run }, COST_VALUES);
  const turn = {
    stepsPerGroup: stepsPerGroupMax(INTERNET),
    turnSeconds: COST_VALUES.sharedTurn / 1_000,
    recordSeconds: MICROS_OF_STEP.ledger / MICROS,
    applySeconds: MICROS_OF_STEP.apply / MICROS,
  };
  const replicas: number[] = [];
  for (const count of REPLICAS) replicas.push(await simulateSharedLog({ replicas: count, ...turn, seconds: SECONDS }));
  return { broker, bus, replicas };
}
