import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { KEPT_BUILDS } from "../../kept-builds.ts";
import { isMissing } from "../toolchain.ts";

/** Time to download and compile, once for a machine; afterwards the crates of others are kept. */
export const RUST_BUILD_MS_MAX = 900_000;

const target = join(KEPT_BUILDS, "rust");
/** Another checkout may compile a program of the same name. */
const programs = resolve(import.meta.dirname, "../../../build/rust");

/** @param tests - what is skipped where Rust is absent; see `isMissing`. */
export const rustIsMissing = (tests: string) => isMissing({ name: "Rust", commands: [["cargo", "--version"]] }, tests);

/** Compiles the program of this name in a folder, by its lock file. @returns the executable's path. */
export async function buildRust(folder: string, program = "conformance"): Promise<string> {
  await promisify(execFile)("cargo", ["build", "--quiet", "--locked", "--target-dir", target], { cwd: folder });
  mkdirSync(programs, { recursive: true });
  const executable = join(programs, program);
  copyFileSync(join(target, "debug", program), executable);
  return executable;
}
