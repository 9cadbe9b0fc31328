import type { Worker } from "node:worker_threads";

/** What each thread of a ledger says first, once its SQLite library is loaded or can't be. */
export type Loaded = { readonly kind: "loaded" };
export const LOADED: Loaded = { kind: "loaded" };

/**
 * Watches a thread from its start, so that it can be ended at any time. Whoever terminates a thread while it loads native code
 * (better-sqlite3 13.2.0, by node-addon-api) ends the whole process, so that moment is waited for.
 *
 * @returns ends the thread in the middle of whatever it does after that.
 */
export function endable(worker: Worker): () => Promise<void> {
  const isPast = new Promise<void>((resolve) => {
    worker.once("message", () => resolve());
    worker.once("exit", () => resolve());
  });
  return async () => {
    worker.ref();
    await isPast;
    await worker.terminate();
  };
}
