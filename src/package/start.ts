import { type ChildProcess, type ForkOptions, fork } from "node:child_process";
import { getAsset } from "node:sea";
import { Worker, type WorkerOptions } from "node:worker_threads";
import { INSIDE } from "./place.ts";

/** What a thread of the executable runs first; `scripts/pack/executable.ts` puts it there. */
export const THREAD = "thread.cjs";

/** Starts a thread that runs a module of the package, which is beside the module that starts it. */
export function startThread(entry: URL, options: WorkerOptions): Worker {
  if (INSIDE === undefined) return new Worker(entry, options);
  // Node.js looks for a thread's module before anything could say that it is inside.
  return new Worker(getAsset(THREAD, "utf8"), { ...options, eval: true, argv: [entry.href] });
}

/** Starts a process of this program that runs another module of the package, with a channel to it. */
export function startProcess(entry: URL, options: ForkOptions): ChildProcess {
  // The executable has its own flags for Node.js inside, and would take those of this process for arguments.
  return fork(entry, INSIDE === undefined ? options : { ...options, execArgv: [] });
}
