// In place of src/package/start.ts where `make test` has bundled the programs: threads that tests start in their own process are those of the
// package too, which load in half of the time that the sources take.
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";
import { BUNDLED } from "./programs.ts";

export { startProcess, THREAD } from "../src/package/start.ts";

export function startThread(entry: URL, options: WorkerOptions): Worker {
  const program = `${basename(entry.pathname, ".ts")}.js`;
  return new Worker(BUNDLED === undefined ? entry : pathToFileURL(resolve(BUNDLED, program)), options);
}
