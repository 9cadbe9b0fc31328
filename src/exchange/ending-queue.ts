/** Runs few acts at a time for each target: ten thousand steps that end at once must not open ten thousand connections. */
export type EndingQueue = {
  run<Result>(target: string, act: () => Promise<Result>): Promise<Result>;
};

const AT_ONCE_MAX = 4;

export function createEndingQueue(): EndingQueue {
  const running = new Map<string, number>();
  const waiting = new Map<string, (() => void)[]>();

  function taken(target: string): Promise<void> {
    const count = running.get(target) ?? 0;
    if (count < AT_ONCE_MAX) {
      running.set(target, count + 1);
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const queue = waiting.get(target) ?? [];
      waiting.set(target, queue);
      queue.push(resolve);
    });
  }

  /** Hands the turn on, or gives it back. */
  function done(target: string): void {
    const next = waiting.get(target)?.shift();
    if (next !== undefined) next();
    else running.set(target, (running.get(target) ?? 1) - 1);
  }

  return {
    async run(target, act) {
      await taken(target);
      try {
        return await act();
      } finally {
        done(target);
      }
    },
  };
}
