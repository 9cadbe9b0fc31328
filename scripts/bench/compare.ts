import { type BrokerProcess, startBroker } from "./broker-process.ts";
import type { Checkout } from "./checkout.ts";
import { type ComparedRow, createComparison, type Figure, type OfBoth, type Side } from "./compared-rows.ts";
import { startCallers, startWatchers } from "./compiled-generator.ts";
import { type GeneratorProcess, startGenerator } from "./generator.ts";
import { type Inside, insideOf, measureWatched, type Watched } from "./inside-broker.ts";
import { JOINING, type Joining, measureJoining } from "./joining.ts";
import { BROKER_WARM_UP, formatCallers, LOADS } from "./loads.ts";
import { closeInBulk, closeTrees } from "./measure-alone.ts";
import type { BulkClosed, Closings, Loaded, Told, TreesClosed, Verified } from "./measurements.ts";
import { pooled } from "./pooled.ts";
import { factsOf } from "./process-facts.ts";
import type { Plan, Row } from "./rows.ts";
import { measureStarts, type Starts } from "./starting.ts";

const VERIFIERS = 100;
/** In one slice. */
const CLOSES = 15;
/** In one slice, of what a thousand verifiers are told. */
const TOLD_CLOSES = 5;
/** Measured in daemons of their own. */
const APART: readonly Row[] = ["bulk", "tree", "join", "start"];
/** A commit that lets its verifiers wait, does so for half a minute. */
const JOIN_ROUNDS = 2;
/** Of a verifier, in one slice. */
const CALLS = 2_000;
/** Until every caller waits for an answer again. */
export const SLICE_WARM_UP_SECONDS = 0.1;

export const LOAD_FIGURES: readonly Figure<Loaded>[] = [
  ["a second", "more", ({ count, wallSeconds }) => count / wallSeconds],
  ["broker µs", "less", ({ cpuSeconds, count }) => (cpuSeconds.broker / count) * 1_000_000],
];
export const FIGURES_OF_CALLERS: readonly Figure<Loaded>[] = [
  ...LOAD_FIGURES,
  ["p99 ms", "less", ({ p99Ms }) => p99Ms],
];
const CLOSING_FIGURES: readonly Figure<Closings>[] = [
  ["answer p50 ms", "less", ({ returnedP50Ms }) => returnedP50Ms],
  ["answer p99 ms", "less", ({ returnedP99Ms }) => returnedP99Ms],
  ["refusal p50 ms", "less", ({ refusedP50Ms }) => refusedP50Ms],
  ["refusal p99 ms", "less", ({ refusedP99Ms }) => refusedP99Ms],
];
const VERIFYING_FIGURES: readonly Figure<Verified>[] = [
  ["a second", "more", ({ calls, wallSeconds }) => calls / wallSeconds],
  ["verifier µs", "less", ({ calls, cpuMicros }) => cpuMicros / calls],
];
const DELIVERY_FIGURES: readonly Figure<Loaded>[] = [
  ["p50 ms", "less", ({ p50Ms }) => p50Ms],
  ["p99 ms", "less", ({ p99Ms }) => p99Ms],
];
const TOLD_FIGURES: readonly Figure<Told>[] = [
  ["p50 ms", "less", ({ p50Ms }) => p50Ms],
  ["p99 ms", "less", ({ p99Ms }) => p99Ms],
];
const JOINING_FIGURES: readonly Figure<Joining>[] = [
  ["all ready ms", "less", ({ wallSeconds }) => wallSeconds * 1_000],
  ["not ready", "less", ({ ready }) => JOINING - ready],
  ["attempts failed", "less", ({ failures }) => Object.values(failures).reduce((sum, one) => sum + one, 0)],
  ["of issuing alone", "more", ({ issuedAlone, issuedMeanwhile }) => issuedMeanwhile / issuedAlone],
  ["peak MiB", "less", ({ peakMiB }) => peakMiB],
];
const START_FIGURES: readonly Figure<Starts>[] = [
  ["empty ledger, ms", "less", ({ empty }) => empty.ms],
  ["empty ledger, CPU ms", "less", ({ empty }) => empty.cpuMs],
  ["1 M events, ms", "less", ({ filled }) => filled.ms],
  ["1 M events, CPU ms", "less", ({ filled }) => filled.cpuMs],
];
const TREE_FIGURES: readonly Figure<TreesClosed>[] = [["p50 ms", "less", ({ p50Ms }) => p50Ms]];
const BULK_FIGURES: readonly Figure<BulkClosed>[] = [
  ["answer ms", "less", ({ answerMs }) => answerMs],
  ["loop p50 ms", "less", ({ loopP50Ms }) => loopP50Ms],
  ["loop p99 ms", "less", ({ loopP99Ms }) => loopP99Ms],
  ["loop max ms", "less", ({ loopMaxMs }) => loopMaxMs],
  ["done MiB", "less", ({ answeredMiB }) => answeredMiB],
  ["peak MiB", "less", ({ peakMiB }) => peakMiB],
];

/** Which side is first: it changes from round to round. */
export const orderOf = (round: number): readonly [Side, Side] =>
  round % 2 === 1 ? ["base", "head"] : ["head", "base"];

/**
 * Measures two checkouts in turns, with the load of this one.
 *
 * A round has a daemon of each, both new, on new data: what a process happens to be like for as long as it lives (its memory's
 * layout, what was compiled when) is different in each round, and so is part of the interval. Within a round a row is measured
 * eight times in short slices, in an order that takes off what a machine that gets steadily faster or slower would add to one
 * side; in the next round the sides change places.
 */
export async function compare(
  checkouts: OfBoth<Checkout>,
  { rounds, bulkRounds, seconds, rows, callers: counts }: Plan,
  say: (progress: string) => void,
): Promise<{ readonly rows: readonly ComparedRow[]; readonly inside: readonly Inside[] }> {
  const comparison = createComparison();
  const watched = new Map<string, readonly Watched[]>();

  async function compareLoads(
    brokers: OfBoth<BrokerProcess>,
    start: (side: Side) => Promise<GeneratorProcess<"load">>,
    nameOf: (callers: number) => string,
    counts: readonly number[],
    order: readonly [Side, Side],
    figures = FIGURES_OF_CALLERS,
  ) {
    await using loads = await startBoth(start);
    for (const side of order) await loads[side].measure(BROKER_WARM_UP);
    for (const callers of counts) {
      const asked = { callers, seconds, warmUpSeconds: SLICE_WARM_UP_SECONDS };
      const slices = await inTurns(order, (side) => measureWatched(loads[side], brokers[side], asked));
      for (const side of ["base", "head"] as const) {
        const what = `${nameOf(callers)}, ${side}`;
        watched.set(what, [...(watched.get(what) ?? []), ...slices[side]]);
      }
      for (const side of order) {
        for (const [failure, count] of Object.entries(pooled(slices[side]).failures)) {
          say(`${nameOf(callers)}, ${side}: ${count} times: ${failure}`);
        }
      }
      comparison.add(nameOf(callers), figures, eachPooled(slices), [...slices.base, ...slices.head]);
    }
  }

  async function compareClosings(brokers: OfBoth<BrokerProcess>, order: readonly [Side, Side]) {
    const flags = { watchers: String(VERIFIERS) };
    await using closings = await startBoth((side) => startGenerator("closing", brokers[side], flags));
    for (const side of order) await closings[side].measure({ closes: CLOSES });
    const slices = await inTurns(order, (side) => closings[side].measure({ closes: CLOSES }));
    comparison.add(`Close, ${VERIFIERS} verifiers`, CLOSING_FIGURES, slices);
  }

  async function compareTold(brokers: OfBoth<BrokerProcess>, order: readonly [Side, Side]) {
    await using watchers = await startBoth((side) => startWatchers(brokers[side]));
    for (const side of order) {
      const { ready } = await watchers[side].join(JOINING);
      if (ready < JOINING) throw new Error(`${JOINING - ready} verifiers of ${JOINING} could not join the ${side}`);
      await watchers[side].close(TOLD_CLOSES);
    }
    const slices = await inTurns(order, (side) => watchers[side].close(TOLD_CLOSES));
    comparison.add("Close, told to 1,000 verifiers", TOLD_FIGURES, slices, [...slices.base, ...slices.head]);
  }

  /** What each side is measured in apart from the other, in a daemon that does nothing else. */
  async function compareApart<Measured>(
    what: string,
    rounds: number,
    figures: readonly Figure<Measured>[],
    measure: (checkout: Checkout) => Promise<Measured>,
  ) {
    for (let round = 1; round <= rounds; round += 1) {
      say(`${what}, round ${round} of ${rounds}`);
      const seen: OfBoth<Measured[]> = { base: [], head: [] };
      for (const side of orderOf(round)) seen[side].push(await measure(checkouts[side]));
      comparison.add(what, figures, seen);
    }
  }

  async function compareVerifying(brokers: OfBoth<BrokerProcess>, order: readonly [Side, Side]) {
    await using verifiers = await startBoth((side) =>
      startGenerator("verifying", brokers[side], { checkout: checkouts[side].directory }),
    );
    for (const side of order) await verifiers[side].measure({ calls: CALLS });
    const slices = await inTurns(order, (side) => verifiers[side].measure({ calls: CALLS }));
    comparison.add("Call verified, broker not asked", VERIFYING_FIGURES, slices);
  }

  const isWithBoth = rows.some((row) => !APART.includes(row));
  for (let round = 1; isWithBoth && round <= rounds; round += 1) {
    say(`round ${round} of ${rounds}`);
    await using brokers = await startBoth((side) =>
      startBroker({ directory: checkouts[side].directory, watchesEventLoop: true }),
    );
    requireSameProgram(brokers);
    // First, while there is little that verifiers must be told as they connect.
    const order = orderOf(round);
    if (rows.includes("told")) await compareTold(brokers, order);
    if (rows.includes("close")) await compareClosings(brokers, order);
    if (rows.includes("verify")) await compareVerifying(brokers, order);
    for (const { row, kind, what } of LOADS) {
      if (!rows.includes(row)) continue;
      const start = (side: Side) => startCallers(kind, brokers[side]);
      await compareLoads(brokers, start, (callers) => `${what}, ${formatCallers(callers)}`, counts, order);
    }
    if (rows.includes("delivery")) {
      const start = (side: Side) => startCallers("delivery", brokers[side]);
      await compareLoads(brokers, start, () => "Open, to the SVID on a stream", [1], order, DELIVERY_FIGURES);
    }
    if (rows.includes("one-connection")) {
      const start = (side: Side) => startGenerator("load", brokers[side], { kind: "jwt" });
      await compareLoads(brokers, start, (callers) => `JWT-SVID, ${callers} on one connection`, [64], order);
    }
  }
  if (rows.includes("bulk")) {
    await compareApart("10,000 steps revoked", bulkRounds, BULK_FIGURES, ({ directory }) => closeInBulk(directory));
  }
  if (rows.includes("tree")) {
    await compareApart("Close, 1,000 credentials, 100 descendants", bulkRounds, TREE_FIGURES, ({ directory }) =>
      closeTrees(directory),
    );
  }
  if (rows.includes("join")) {
    const join = ({ directory }: Checkout) => measureJoining(directory);
    await compareApart("1,000 verifiers join", JOIN_ROUNDS, JOINING_FIGURES, join);
  }
  if (rows.includes("start")) {
    await compareApart("Start", bulkRounds, START_FIGURES, (checkout) => measureStarts(checkout, say));
  }
  return {
    rows: comparison.rows(),
    inside: [...watched].map(([what, slices]) => insideOf(what, slices)),
  };
}

/** One value of each side for a round of a load. */
export function eachPooled({ base, head }: OfBoth<readonly Loaded[]>): OfBoth<readonly Loaded[]> {
  return { base: [pooled(base)], head: [pooled(head)] };
}

/** One is idle while the other is measured. */
export async function inTurns<Measured>(
  [first, second]: readonly [Side, Side],
  measure: (side: Side) => Promise<Measured>,
): Promise<OfBoth<readonly Measured[]>> {
  const seen: OfBoth<Measured[]> = { base: [], head: [] };
  for (const side of [first, second, second, first, second, first, first, second]) seen[side].push(await measure(side));
  return seen;
}

/** Starts one of each side at the same time; they end together, and none is left when one of them does not start. */
export async function startBoth<Started extends AsyncDisposable>(
  start: (side: Side) => Promise<Started>,
): Promise<OfBoth<Started> & AsyncDisposable> {
  const starting = [start("base"), start("head")] as const;
  const end = async () => {
    for (const one of await Promise.allSettled(starting)) {
      if (one.status === "fulfilled") await one.value[Symbol.asyncDispose]();
    }
  };
  try {
    const [base, head] = await Promise.all(starting);
    return { base, head, [Symbol.asyncDispose]: end };
  } catch (thrown) {
    await end();
    throw thrown;
  }
}

function requireSameProgram({ base, head }: OfBoth<BrokerProcess>): void {
  const [ofBase, ofHead] = [base, head].map((broker) => factsOf(broker.pid()).executable());
  if (ofBase !== ofHead) throw new Error(`the base runs on ${ofBase}, this checkout on ${ofHead}: use \`make bench\``);
}
