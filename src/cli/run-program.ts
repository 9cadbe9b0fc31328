import { Command, CommanderError, type Option } from "commander";
import type { Context } from "./context.ts";
import { EXIT, ExitStatus, Failure, failureOf } from "./failure.ts";

/**
 * Runs a program to its end.
 *
 * @param args - without the interpreter and the script.
 * @returns the exit status: 0 done, 1 refused or failed, 2 usage, 3 could not reach the broker.
 */
export async function runProgram(program: Command, args: readonly string[], context: Context): Promise<number> {
  try {
    await program.parseAsync(args, { from: "user" });
    return EXIT.done;
  } catch (thrown) {
    // Commander has said already what was wrong, or shown the help that was asked for.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.done : EXIT.usage;
    if (thrown instanceof ExitStatus) return thrown.exitStatus;
    const failure = thrown instanceof Failure ? thrown : failureOf(thrown, undefined);
    context.err.write(`${program.name()}: ${failure.message}\n`);
    return failure.exitStatus;
  }
}

/**
 * A command whose every flag has an environment variable too, `STINT_` and the flag's name; the flag wins. The variable
 * is named in `addOption`, since commander only heeds a variable that an option has when it is added.
 */
class ProgramCommand extends Command {
  override createCommand(name?: string): Command {
    return new ProgramCommand(name);
  }

  override addOption(option: Option): this {
    const name = option.name().toUpperCase().replaceAll("-", "_");
    if (option.envVar === undefined) option.env(`STINT_${option.negate ? "NO_" : ""}${name}`);
    return super.addOption(option);
  }
}

/** A program that tells under its own name what is wrong, and leaves the exit to `runProgram`. */
export function createProgram(name: string, context: Context): Command {
  return new ProgramCommand(name)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.out.write(text),
      writeErr: (text) => void context.err.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, `${name}: `)),
    })
    .showHelpAfterError("(--help tells how it is called)");
}
