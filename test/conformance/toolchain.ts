import { execFileSync } from "node:child_process";

/** A compiler or its like, which not every machine has. */
export type Toolchain = {
  /** For people, e.g. "Go". */
  readonly name: string;
  /** Commands that all succeed where it is there. */
  readonly commands: readonly (readonly [program: string, ...args: string[]])[];
};

/**
 * Whether a toolchain is absent, which is said once on standard error; where everything is tested its absence is an error.
 *
 * @param tests - what is then skipped.
 */
export function isMissing({ name, commands }: Toolchain, tests: string): boolean {
  try {
    for (const [program, ...args] of commands) execFileSync(program, args, { stdio: "ignore" });
    return false;
  } catch {
    if (process.env["CI"] === "true") throw new Error(`CI runs ${tests}, and ${name} is not there`);
    process.stderr.write(`${tests} are skipped: ${name} is not there\n`);
    return true;
  }
}
