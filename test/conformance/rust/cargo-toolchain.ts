import { execFile, execFileSync } from "node:child_process";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

/** Time to download and compile, once for a checkout; afterwards it is below build/. */
export const RUST_BUILD_MS_MAX = 900_000;

const target = resolve(import.meta.dirname, "../../../build/rust");

/**
 * Whether Rust is absent, which is said once on standard error; where everything is tested its absence is an error.
 *
 * @param tests - what is then skipped.
 */
export function rustIsMissing(tests: string): boolean {
  try {
    execFileSync("cargo", ["--version"], { stdio: "ignore" });
    return false;
  } catch {
    if (process.env["CI"] === "true") throw new Error(`CI runs ${tests}, and Rust is not there`);
    process.stderr.write(`${tests} are skipped: Rust is not there\n`);
    return true;
  }
}

/** Compiles the program in a folder, by its lock file. @returns the executable's path. */
export async function buildRust(folder: string): Promise<string> {
  await promisify(execFile)("cargo", ["build", "--quiet", "--locked", "--target-dir", target], { cwd: folder });
  return join(target, "debug", "conformance");
}
