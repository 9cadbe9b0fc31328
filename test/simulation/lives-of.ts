import fc from "fast-check";
import type { Round } from "./events.ts";
import { checkAtRest, checkInTheEnd } from "./invariants.ts";
import type { Manner } from "./schedule.ts";
import { simulate } from "./simulation.ts";

const { FC_SEED: seed, FC_PATH: path, FC_RUNS: runs, FC_LIMIT: limitMs, FC_STATS: stats } = process.env;

/** Fewer may well see less than all that happens. */
const ALL_SEEN_RUNS = 200;

/**
 * Has each of many schedules take place in a world of its own: as many as FC_RUNS says, by the seed that FC_SEED says; FC_PATH is of one that
 * failed, as it was printed; FC_LIMIT says
 * after how many milliseconds no more begin, nor is a failure cut down any further.
 *
 * @param runsOfItself - how many where nobody says.
 * @param seedOfItself - by which seed then; absent: another each time.
 * @returns how often each kind of thing happened in all of them; absent where there were too few to see all.
 */
export async function livesOf(
  schedules: fc.Arbitrary<Manner & { readonly rounds: readonly Round[] }>,
  runsOfItself: number,
  seedOfItself?: number,
): Promise<ReadonlyMap<string, number> | undefined> {
  const numRuns = Number(runs ?? runsOfItself);
  // Whoever says how many wants others each time.
  const chosen = seed === undefined ? (runs === undefined ? seedOfItself : undefined) : Number(seed);
  const seen = new Map<string, number>();
  let lived = 0;
  const count = (what: string, times: number) => void seen.set(what, (seen.get(what) ?? 0) + times);
  await fc.assert(
    fc.asyncProperty(schedules, async ({ rounds, ...manner }) => {
      const { worlds, run, end } = await simulate(manner);
      try {
        for (const round of rounds) {
          await run(round);
          await checkAtRest(worlds);
        }
        await checkInTheEnd(worlds);
        lived += 1;
        const [world] = worlds;
        for (const [what, times] of world?.model.seen ?? []) count(what, times);
        count("delivered", world?.delivered.length ?? 0);
        count("delivered by a front end", world?.delivered.filter(({ apart }) => apart).length ?? 0);
      } finally {
        await end();
      }
    }),
    {
      numRuns,
      ...(chosen === undefined ? {} : { seed: chosen }),
      ...(path === undefined ? {} : { path, endOnFailure: true }),
      ...(limitMs === undefined ? {} : { interruptAfterTimeLimit: Number(limitMs) }),
    },
  );
  if (stats !== undefined) process.stderr.write(`${lived} lives: ${JSON.stringify([...seen])}\n`);
  return lived < ALL_SEEN_RUNS ? undefined : seen;
}
