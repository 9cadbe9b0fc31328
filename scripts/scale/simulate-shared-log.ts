import { createAgenda } from "./agenda.ts";

export type SharedLogRun = {
  readonly replicas: number;
  /** Of each replica's next group: there are always as many that wait. */
  readonly stepsPerGroup: number;
  readonly turnSeconds: number;
  readonly recordSeconds: number;
  readonly applySeconds: number;
  readonly seconds: number;
};

/**
 * Replicas with more to record than they get to: each takes over what others have appended, waits for the log's one lock, takes over what was
 * appended meanwhile, records its group, and lets go. A replica does one thing at a time.
 *
 * @returns steps a second that all of them record together
 */
export async function simulateSharedLog(run: SharedLogRun): Promise<number> {
  const agenda = createAgenda();
  const waiting: (() => void)[] = [];
  let isTaken = false;
  let appended = 0;
  let counted = 0;

  function take(turn: () => void): void {
    if (isTaken) return void waiting.push(turn);
    isTaken = true;
    turn();
  }

  function release(): void {
    isTaken = false;
    const next = waiting.shift();
    if (next !== undefined) take(next);
  }

  function cycle(known: number): void {
    const missing = appended - known;
    agenda.after(missing * run.applySeconds, () => {
      const reached = known + missing;
      take(() => {
        const behind = appended - reached;
        const held = run.turnSeconds + behind * run.applySeconds + run.stepsPerGroup * run.recordSeconds;
        agenda.after(held, () => {
          appended += run.stepsPerGroup;
          counted += run.stepsPerGroup;
          release();
          cycle(appended);
        });
      });
    });
  }

  for (let replica = 0; replica < run.replicas; replica += 1) cycle(0);
  await agenda.run(run.seconds);
  return counted / run.seconds;
}
