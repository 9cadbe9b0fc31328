import { extname } from "node:path";
import type { Worker } from "node:worker_threads";
import { startThread } from "../../package/start.ts";
import type { LogMover } from "./log-keeper.ts";

export type ToLogMover = { readonly kind: "move" } | { readonly kind: "close" };

/** The worker's file is TypeScript in a checkout and JavaScript in the package, as this file is. */
const ENTRY = new URL(`./log-mover-worker${extname(import.meta.url)}`, import.meta.url);

export type LogMoverThread = LogMover & {
  /** Resolves once the thread, if there is one, has left the database alone. */
  close(): Promise<void>;
};

/** A thread that begins with the first move. Where it ends before its time, another begins with the next. */
export function createLogMover(path: string): LogMoverThread {
  let worker: Worker | undefined;
  let isMoving = false;

  function start(): Worker {
    const started = startThread(ENTRY, { name: "ledger log", workerData: path });
    started.on("message", () => {
      isMoving = false;
    });
    // What it died of is nothing that is lost: whoever moves next begins where it began.
    started.on("error", () => undefined);
    started.on("exit", () => {
      worker = undefined;
      isMoving = false;
    });
    return started;
  }

  const post = (message: ToLogMover): void => worker?.postMessage(message);
  return {
    isMoving: () => isMoving,
    begin() {
      worker ??= start();
      isMoving = true;
      post({ kind: "move" });
    },
    close: () =>
      new Promise((resolve) => {
        if (worker === undefined) return resolve();
        worker.once("exit", () => resolve());
        post({ kind: "close" });
      }),
  };
}
