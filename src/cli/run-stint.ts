import { stintProgram } from "./program.ts";
import { runProgram } from "./run-program.ts";
import { systemContext } from "./system-context.ts";

/** @returns the exit status. */
export async function runStint(): Promise<number> {
  const context = systemContext();
  const args = process.argv.slice(2);
  return await runProgram(await stintProgram(context, args), args, context);
}
