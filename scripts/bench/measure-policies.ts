import { type BrokerProcess, startBroker } from "./broker-process.ts";
import { eachPooled, inTurns, LOAD_FIGURES, orderOf, SLICE_WARM_UP_SECONDS, startBoth } from "./compare.ts";
import { type ComparedRow, createComparison, type OfBoth } from "./compared-rows.ts";
import { startGenerator } from "./generator.ts";
import { BROKER_WARM_UP, formatCallers } from "./loads.ts";
import { machineName } from "./machine.ts";
import type { Decided, RejudgedTwice } from "./measurements.ts";
import { CALLERS } from "./rows.ts";
import { BULK_STEPS } from "./workload.ts";

/** What one run measures of policies. */
export type OfPolicies = {
  readonly machine: string;
  readonly decisions: readonly DecisionRow[];
  /** `base`: nothing but the ceilings decides; `head`: the baseline is in force. */
  readonly openings: readonly ComparedRow[];
  readonly rejudging: RejudgedTwice;
};

export type DecisionRow = Decided & { readonly sitePolicies: number; readonly isNew: boolean };

const SITE_POLICIES = [0, 20, 200, 1_000] as const;
const DECISIONS = 3_000;

/**
 * Measures decisions, openings with the baseline and without it in turns, and judging anew.
 *
 * @param plan.rounds - of the openings, two or more, each with new daemons.
 */
export async function measurePolicies(
  { rounds, seconds }: { readonly rounds: number; readonly seconds: number },
  say: (progress: string) => void,
): Promise<OfPolicies> {
  say("decisions");
  const decisions = await measureDecisions();
  const comparison = createComparison();
  for (let round = 1; round <= rounds; round += 1) {
    say(`Open with the baseline and with the ceiling alone, round ${round} of ${rounds}`);
    await compareOpenings(comparison, round, seconds);
  }
  say(`judging ${BULK_STEPS} steps anew`);
  return { machine: machineName(), decisions, openings: comparison.rows(), rejudging: await judgeAnew() };
}

async function measureDecisions(): Promise<readonly DecisionRow[]> {
  // The script asks no broker.
  await using generator = await startGenerator("decisions");
  const rows: DecisionRow[] = [];
  for (const isNew of [false, true]) {
    for (const sitePolicies of SITE_POLICIES) {
      rows.push({
        sitePolicies,
        isNew,
        ...(await generator.measure({ sitePolicies, isNew, times: DECISIONS })),
      });
    }
  }
  return rows;
}

async function compareOpenings(
  comparison: ReturnType<typeof createComparison>,
  round: number,
  seconds: number,
): Promise<void> {
  const order = orderOf(round);
  await using brokers: OfBoth<BrokerProcess> & AsyncDisposable = await startBoth((side) =>
    startBroker({ policies: { baseline: side === "head" } }),
  );
  await using loads = await startBoth((side) => startGenerator("load", brokers[side], { kind: "open-alone" }));
  for (const side of order) await loads[side].measure(BROKER_WARM_UP);
  for (const callers of CALLERS) {
    const asked = { callers, seconds, warmUpSeconds: SLICE_WARM_UP_SECONDS };
    const slices = await inTurns(order, (side) => loads[side].measure(asked));
    const what = `Open, ${formatCallers(callers)}`;
    comparison.add(what, LOAD_FIGURES, eachPooled(slices), [...slices.base, ...slices.head]);
  }
}

async function judgeAnew(): Promise<RejudgedTwice> {
  await using broker = await startBroker();
  await using generator = await startGenerator("rejudge", broker);
  return await generator.measure({ steps: BULK_STEPS });
}
