// In place of src/package/start.ts where `make test` has bundled the programs: threads that tests start in their own process are those of the
// package too, which load in half of the time that the sources take. The ledger's is not: modules of others are loaded into it by their place,
// which is among the sources here, and both are to have the same classes.
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";
import { BUNDLED } from "./programs.ts";

export { startProcess, THREAD } from "../src/package/start.ts";

export function startThread(entry: URL, options: WorkerOptions): Worker {
  const program = `${basename(entry.pathname, ".ts")}.js`;
  if (BUNDLED === undefined || program === "writer-worker.js") return new Worker(entry, options);
  return new Worker(pathToFileURL(resolve(BUNDLED, program)), options);
}
