import fc from "fast-check";
import type { Round } from "./events.ts";
import { checkAtRest, checkInTheEnd } from "./invariants.ts";
import type { Manner } from "./schedule.ts";
import { simulate } from "./simulation.ts";

const { FC_SEED: seed, FC_PATH: path, FC_RUNS: runs, FC_LIMIT: limitMs, FC_STATS: stats } = process.env;

/** Fewer may well see less than all that happens. */
const ALL_SEEN_RUNS = 200;

/** What takes place, and how the answers come about meanwhile. */
type Life = Manner & { readonly rounds: readonly Round[] };

/**
 * Has a schedule take place in a world of its own, whose promises are held to at every rest and in the end.
 *
 * @returns how often each kind of thing happened.
 */
export async function lived({ rounds, ...manner }: Life): Promise<ReadonlyMap<string, number>> {
  const { worlds, run, end } = await simulate(manner);
  try {
    for (const round of rounds) {
      await run(round);
      await checkAtRest(worlds);
    }
    await checkInTheEnd(worlds);
    const [world] = worlds;
    return new Map([
      ...(world?.model.seen ?? []),
      ["delivered", world?.delivered.length ?? 0],
      ["delivered by a front end", world?.delivered.filter(({ apart }) => apart).length ?? 0],
    ]);
  } finally {
    await end();
  }
}

/**
 * Lives many schedules: as many as FC_RUNS says, by the seed that FC_SEED says; FC_PATH, of one that failed, as it was printed, has
 * that one alone lived again; FC_LIMIT says after how many milliseconds no more begin, nor is a failure cut down any further.
 *
 * @param runsOfItself - how many where nobody says.
 * @param seedOfItself - by which seed then; absent: another each time.
 * @returns how often each kind of thing happened in all of them; absent where there were too few to see all.
 */
export async function livesOf(
  schedules: fc.Arbitrary<Life>,
  runsOfItself: number,
  seedOfItself?: number,
): Promise<ReadonlyMap<string, number> | undefined> {
  if (path !== undefined) {
    const [failed] = fc.sample(schedules, { seed: Number(seed), path, numRuns: 1 });
    if (failed === undefined) throw new RangeError("no life is at this path");
    await lived(failed);
    return undefined;
  }
  const numRuns = Number(runs ?? runsOfItself);
  // Whoever says how many wants others each time.
  const chosen = seed === undefined ? (runs === undefined ? seedOfItself : undefined) : Number(seed);
  const seen = new Map<string, number>();
  let lives = 0;
  await fc.assert(
    fc.asyncProperty(schedules, async (schedule) => {
      for (const [what, times] of await lived(schedule)) seen.set(what, (seen.get(what) ?? 0) + times);
      lives += 1;
    }),
    {
      numRuns,
      ...(chosen === undefined ? {} : { seed: chosen }),
      ...(limitMs === undefined ? {} : { interruptAfterTimeLimit: Number(limitMs) }),
    },
  );
  if (stats !== undefined) process.stderr.write(`${lives} lives: ${JSON.stringify([...seen])}\n`);
  return lives < ALL_SEEN_RUNS ? undefined : seen;
}
