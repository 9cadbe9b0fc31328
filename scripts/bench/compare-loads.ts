import type { BrokerProcess } from "./broker-process.ts";
import { eachPooled, FIGURES_OF_CALLERS, inTurns, SLICE_WARM_UP_SECONDS, startBoth } from "./compare.ts";
import type { createComparison, OfBoth, Side } from "./compared-rows.ts";
import { startCallers } from "./compiled-generator.ts";
import { measureWatched } from "./inside-broker.ts";
import { BROKER_WARM_UP, formatCallers, type LOADS } from "./loads.ts";

/** Measures a load on two brokers of this checkout by turns, by so many callers each, and the longest turn of their event loops. */
export async function compareLoads(
  comparison: ReturnType<typeof createComparison>,
  brokers: OfBoth<BrokerProcess>,
  {
    load: { kind, what },
    order,
    callers: counts,
    seconds,
  }: {
    readonly load: (typeof LOADS)[number];
    readonly order: readonly [Side, Side];
    readonly callers: readonly number[];
    readonly seconds: number;
  },
): Promise<void> {
  await using loads = await startBoth((side) => startCallers(kind, brokers[side]));
  for (const side of order) await loads[side].measure(BROKER_WARM_UP);
  for (const callers of counts) {
    const asked = { callers, seconds, warmUpSeconds: SLICE_WARM_UP_SECONDS };
    const slices = await inTurns(order, (side) => measureWatched(loads[side], brokers[side], asked));
    const name = `${what}, ${formatCallers(callers)}`;
    comparison.add(name, FIGURES_OF_CALLERS, eachPooled(slices), [...slices.base, ...slices.head]);
    const longest = (side: Side) => Math.max(...slices[side].map(({ loopMaxMs }) => loopMaxMs));
    const loops = { base: [longest("base")], head: [longest("head")] };
    comparison.add(name, [["event loop, longest ms", "less", (ms: number) => ms]], loops);
  }
}
