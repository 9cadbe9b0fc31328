import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Bytes that this process holds, in its heap and beside it, once all that nobody needs is collected. */
export function bytesHeld(): number {
  // What a collection finalizes is gone after the next.
  for (let round = 0; round < 3; round += 1) collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** CPU that a synchronous piece of work took of this process, microseconds, with its result. */
export function cpuOf<Result>(work: () => Result): { readonly result: Result; readonly micros: number } {
  const started = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(started);
  return { result, micros: user + system };
}

/** The same of work that waits in between; what else goes on in the process meanwhile is in it. */
export async function cpuOfAsync(work: () => Promise<unknown>): Promise<number> {
  const started = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(started);
  return user + system;
}
