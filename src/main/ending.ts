import process from "node:process";
import type { Log } from "../ports/log.ts";

/** Stopping takes six seconds at most when nothing stands still; `docker stop` kills after ten. */
const STOP_MS_MAX = 9_000;
/** A terminal and a process between may pass on one signal twice: that is no second wish. */
const SECOND_WISH_MS = 1_000;
/** How long the last lines of the log may take. */
const LAST_LINES_MS = 200;

/**
 * Heeds SIGTERM and SIGINT: the first asks for an orderly end, and a second one, a second or more after, for an end at
 * once. Whatever stands still, the process is gone after `STOP_MS_MAX`.
 *
 * @returns a promise that resolves with the first signal.
 */
export function heedEnding(log: Log & { flushed(withinMs: number): Promise<void> }): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let askedAt: number | undefined;

  async function endAtOnce(why: string): Promise<void> {
    log.warning(why);
    await log.flushed(LAST_LINES_MS);
    // Not `process.exit`, which waits for threads: a write, a database or a module of a signer may never come back.
    process.kill(process.pid, "SIGKILL");
  }

  function asked(): void {
    const now = performance.now();
    if (askedAt === undefined) {
      askedAt = now;
      const late = "killed: not everything had stopped in time";
      setTimeout(() => void endAtOnce(late), STOP_MS_MAX).unref();
      resolve();
    } else if (now - askedAt >= SECOND_WISH_MS) {
      void endAtOnce("killed: asked to end a second time");
    }
  }

  process.on("SIGTERM", asked).on("SIGINT", asked);
  return promise;
}
