import { resolve } from "node:path";
import { writeConsole } from "../../scripts/pack/bundle.ts";

/** Builds the console once for all tests, in less than a second. */
export async function setup(): Promise<void> {
  await writeConsole(resolve(import.meta.dirname, "../.."));
}
