import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { isMissing } from "../toolchain.ts";

/** Time to download and compile, once for a checkout; afterwards it is below build/. */
export const RUST_BUILD_MS_MAX = 900_000;

const target = resolve(import.meta.dirname, "../../../build/rust");

/** @param tests - what is skipped where Rust is absent; see `isMissing`. */
export const rustIsMissing = (tests: string) => isMissing({ name: "Rust", commands: [["cargo", "--version"]] }, tests);

/** Compiles the program of this name in a folder, by its lock file. @returns the executable's path. */
export async function buildRust(folder: string, program = "conformance"): Promise<string> {
  await promisify(execFile)("cargo", ["build", "--quiet", "--locked", "--target-dir", target], { cwd: folder });
  return join(target, "debug", program);
}
