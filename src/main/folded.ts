/**
 * A function that may be called at any time, of which one run follows another: while one is under way, any number of
 * further calls make one more.
 *
 * @param run - never rejects.
 */
export function folded(run: () => Promise<void>): () => void {
  let isRunning = false;
  let isWanted = false;

  async function runAll(): Promise<void> {
    isRunning = true;
    while (isWanted) {
      isWanted = false;
      await run();
    }
    isRunning = false;
  }

  return () => {
    isWanted = true;
    if (!isRunning) void runAll();
  };
}
