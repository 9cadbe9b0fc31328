import { startBroker } from "./broker-process.ts";
import { startCallers, startWatchers } from "./compiled-generator.ts";
import { startGenerator } from "./generator.ts";
import { BROKER_WARM_UP } from "./loads.ts";
import type { Joined } from "./measurements.ts";
import { factsOf } from "./process-facts.ts";
import { BULK_STEPS } from "./workload.ts";

/** Every verifier of a site at once, as after a restart of the broker. */
export const JOINING = 1_000;
const CALLERS = 64;

export type Joining = Joined & {
  /** Credentials a second without the verifiers, and while they joined. */
  readonly issuedAlone: number;
  readonly issuedMeanwhile: number;
  /** Resident before, and at the most meanwhile. */
  readonly beforeMiB: number;
  readonly peakMiB: number;
};

/**
 * Verifiers that join at once a broker that has thousands of denials to tell, while credentials are issued.
 *
 * @param directory - the checkout that the broker is started from; this one when absent.
 */
export async function measureJoining(
  directory?: string,
  { steps, verifiers, seconds } = { steps: BULK_STEPS, verifiers: JOINING, seconds: 2 },
): Promise<Joining> {
  await using broker = await startBroker({ watchesEventLoop: true, ...(directory === undefined ? {} : { directory }) });
  {
    await using generator = await startGenerator("bulk-close", broker, { delays: broker.delayFile });
    await generator.measure({ steps });
  }
  await using callers = await startCallers("jwt", broker);
  await using watchers = await startWatchers(broker);
  await callers.measure(BROKER_WARM_UP);
  const alone = await callers.measure({ callers: CALLERS, seconds, warmUpSeconds: 0.5 });
  const facts = factsOf(broker.pid());
  facts.forgetPeak();
  const beforeMiB = facts.residentMiB();
  const joins: Joined[] = [];
  const meanwhile = await callers.measureDuring({ callers: CALLERS, warmUpSeconds: 0.5 }, async () => {
    joins.push(await watchers.join(verifiers));
  });
  const [joined] = joins;
  if (joined === undefined) throw new Error("nobody joined");
  return {
    ...joined,
    issuedAlone: alone.count / alone.wallSeconds,
    issuedMeanwhile: meanwhile.count / meanwhile.wallSeconds,
    beforeMiB,
    peakMiB: facts.peakMiB(),
  };
}
