import type { Command } from "commander";
import type { Context } from "../context.ts";
import { ExitStatus } from "../failure.ts";
import { listFlag } from "../flags.ts";

type DevOptions = {
  readonly dir?: string;
  readonly agent?: readonly string[];
  readonly audience?: readonly string[];
  readonly datatype?: readonly string[];
  readonly verbose?: boolean;
};

/** `stint dev`: a throw-away broker. Its code is loaded only then: no other command needs a broker's libraries. */
export function addDev(dev: Command, context: Context): void {
  dev
    .argument("[command...]", "a command to run with it, its environment set, and to end with; after --")
    .option("--dir <path>", "where its sockets, bundle.json and http.url go; by default a new temporary directory")
    .option("--agent <name>", "an agent beside `dev`; may be repeated", listFlag)
    .option(
      "--audience <uri>",
      "what the verifier `dev` answers for beside the usual local ones; may be repeated",
      listFlag,
    )
    .option("--datatype <name>", "a class of data to permit beside the usual ones; may be repeated", listFlag)
    .option("--verbose", "one line a request on standard error")
    .action(async (command: readonly string[], options: DevOptions) => {
      const { runDev } = await import("./run-dev.ts");
      const status = await runDev(
        {
          directory: options.dir,
          agents: options.agent ?? [],
          audiences: options.audience ?? [],
          datatypes: options.datatype ?? [],
          verbose: options.verbose ?? false,
          command,
        },
        context,
      );
      if (status !== 0) throw new ExitStatus(status);
    });
}
