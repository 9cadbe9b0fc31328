import { generateKeyPairSync, sign, verify } from "node:crypto";
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

const SIGNATURES = 3_000;

/** What the check of a P-256 signature takes of this machine as busy as it is now, microseconds of CPU: the unit that others can be told in. */
export function signatureMicros(): number {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const text = Buffer.from("what is signed");
  const signature = sign("sha256", text, privateKey);
  const { micros } = cpuOf(() => {
    for (let count = 0; count < SIGNATURES; count += 1) verify("sha256", text, publicKey, signature);
  });
  return micros / SIGNATURES;
}
