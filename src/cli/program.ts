import { type Command, Option } from "commander";
import { OPERATOR_SOCKET_DEFAULT } from "../sdk/operator/operator-socket.ts";
import type { Context } from "./context.ts";
import { ENDPOINT_VARIABLE } from "./endpoint-variable.ts";
import { durationFlag } from "./flags.ts";
import { OUTPUT_FORMATS } from "./output/output-formats.ts";
import { readVersion } from "./output/version.ts";
import { createProgram } from "./run-program.ts";
import { TOP_COMMANDS } from "./top-commands.ts";

const WORKLOAD_ENDPOINT_DEFAULT = "unix:///run/stint/workload.sock";
const TIMEOUT_SECONDS_DEFAULT = 30;

const COMPLETION = {
  name: "completion",
  description: "a script that has a shell complete commands and flags: source <(stint completion bash)",
} as const;
/** What the shell's script calls, and the command that prints that script. */
const COMPLETING: readonly string[] = ["complete", COMPLETION.name];

/**
 * The command line of operators and scripts: whole where `args` ask for completion. Otherwise a command that no argument names has its name and
 * description alone, which is all that help of the program says of it.
 *
 * @param args - without the interpreter and the script.
 */
export async function stintProgram(context: Context, args: readonly string[]): Promise<Command> {
  const program = createProgram("stint", context)
    .description("credentials for one stint of work, and not a second longer")
    .version(readVersion(), "--version", "the version")
    .addOption(new Option("-o, --output <format>", "of data").choices(OUTPUT_FORMATS).default("table"))
    .option("--operator-socket <path>", "the operator socket", OPERATOR_SOCKET_DEFAULT)
    .option(
      "--socket <endpoint>",
      `the workload endpoint; ${ENDPOINT_VARIABLE} names it too`,
      process.env[ENDPOINT_VARIABLE] ?? WORKLOAD_ENDPOINT_DEFAULT,
    )
    .addOption(
      new Option("--timeout <time>", "how long a call may take")
        .argParser(durationFlag)
        .default(TIMEOUT_SECONDS_DEFAULT, `${TIMEOUT_SECONDS_DEFAULT}s`),
    );

  const isCompleting = args.some((argument) => COMPLETING.includes(argument));
  for (const { name, description, load } of TOP_COMMANDS) {
    const command = program.command(name).description(description);
    // Which of the arguments is the command, and which the value of a flag, is for the parser: naming a command is enough.
    if (isCompleting || args.includes(name)) (await load())(command, context);
  }
  if (isCompleting) await addCompletion(program);
  else program.command(COMPLETION.name).description(COMPLETION.description);
  program.configureHelp({ ...program.configureHelp(), subcommandTerm: (command) => command.name() });
  return program;
}

/** After all other commands, since it tells of those that there are. */
async function addCompletion(program: Command): Promise<void> {
  const { default: tab } = await import("@bomb.sh/tab/commander");
  tab(program, { completionCommandName: COMPLETION.name });
  const completion = program.commands.find((command) => command.name() === COMPLETION.name);
  completion?.description(COMPLETION.description);
  for (const argument of completion?.registeredArguments ?? []) argument.description = "which shell";
}
