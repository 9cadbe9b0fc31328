import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { isMissing } from "./toolchain.ts";

/** Time to download and compile, once for a machine; afterwards it is in Go's caches. */
export const GO_BUILD_MS_MAX = 300_000;

/** @param tests - what is skipped where Go is absent; see `isMissing`. */
export const goIsMissing = (tests: string) => isMissing({ name: "Go", commands: [["go", "version"]] }, tests);

/** Compiles the program in a folder to a file. */
export async function buildGo(folder: string, program: string): Promise<void> {
  await promisify(execFile)("go", ["build", "-trimpath", "-o", program, "."], { cwd: folder });
}
