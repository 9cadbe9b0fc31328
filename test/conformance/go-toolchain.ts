import { execFile, execFileSync } from "node:child_process";
import { promisify } from "node:util";

/** Time to download and compile, once for a machine; afterwards it is in Go's caches. */
export const GO_BUILD_MS_MAX = 300_000;

/**
 * Whether Go is absent, which is said once on standard error; where everything is tested its absence is an error.
 *
 * @param tests - what is then skipped.
 */
export function goIsMissing(tests: string): boolean {
  try {
    execFileSync("go", ["version"], { stdio: "ignore" });
    return false;
  } catch {
    if (process.env["CI"] === "true") throw new Error(`CI runs ${tests}, and Go is not there`);
    process.stderr.write(`${tests} are skipped: Go is not there\n`);
    return true;
  }
}

/** Compiles the program in a folder to a file. */
export async function buildGo(folder: string, program: string): Promise<void> {
  await promisify(execFile)("go", ["build", "-trimpath", "-o", program, "."], { cwd: folder });
}
