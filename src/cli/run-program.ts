import type { EventEmitter } from "node:events";
import { Command, CommanderError, Help, type Option } from "commander";
import type { Context } from "./context.ts";
import { EXIT, ExitStatus, Failure } from "./failure.ts";

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
    const failure = thrown instanceof Failure ? thrown : await unexpectedFailure(thrown);
    context.err.write(`${program.name()}: ${failure.message}\n`);
    return failure.exitStatus;
  }
}

/** What tells of calls that failed knows gRPC, which takes longer to load than most commands need for all else. */
async function unexpectedFailure(thrown: unknown): Promise<Failure> {
  const { failureOf } = await import("./failure-of.ts");
  return failureOf(thrown, undefined);
}

/** What a variable may say for a flag without a value. Anything else is a mistake: "no" must not force an act. */
const SAID_BY: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["1", true],
  ["false", false],
  ["0", false],
]);

/**
 * A command whose every flag has an environment variable too, `STINT_` and the flag's name; the flag wins, and an empty
 * variable counts as not set. A negation has none, since `false` for the flag says the same. The variable is named in
 * `addOption`, since commander only heeds a variable that an option has when it is added.
 */
class ProgramCommand extends Command {
  override createCommand(name?: string): Command {
    return new ProgramCommand(name);
  }

  override addOption(option: Option): this {
    if (option.negate) return super.addOption(option);
    if (option.envVar === undefined) option.env(`STINT_${option.name().toUpperCase().replaceAll("-", "_")}`);
    super.addOption(option);
    this.#heedVariable(option);
    return this;
  }

  /** Commander takes any text of a variable, an empty one too, for `true`, and an empty text for a value. */
  #heedVariable(option: Option): void {
    const { envVar = "" } = option;
    const event = `optionEnv:${option.name()}`;
    // Commander's declarations leave out that a command is an emitter of all its options.
    const emitter: EventEmitter = this as unknown as EventEmitter;
    const taken = emitter.listeners(event);
    emitter.removeAllListeners(event);
    emitter.on(event, () => {
      const text = process.env[envVar] ?? "";
      if (text === "") return;
      if (!option.isBoolean()) {
        for (const take of taken) take(text);
        return;
      }
      const said = SAID_BY.get(text);
      if (said === undefined) this.error(`error: environment ${envVar}: expected true or false`);
      this.setOptionValueWithSource(option.attributeName(), said, "env");
    });
  }
}

const help = new Help();

/** Commander's, and whether the flag has to be given. */
function optionDescription(option: Option): string {
  const text = help.optionDescription(option);
  return option.mandatory && option.defaultValue === undefined ? text.replace(/(?=env: \w+\)$)/, "required, ") : text;
}

/** A program that tells under its own name what is wrong, and leaves the exit to `runProgram`. */
export function createProgram(name: string, context: Context): Command {
  return new ProgramCommand(name)
    .exitOverride()
    .configureHelp({ optionDescription: (option) => optionDescription(option) })
    .configureOutput({
      writeOut: (text) => void context.out.write(text),
      writeErr: (text) => void context.err.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, `${name}: `)),
    })
    .showHelpAfterError("(--help tells how it is called)");
}
