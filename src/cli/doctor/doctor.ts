import type { Command } from "commander";
import type { Context } from "../context.ts";
import type { OutputFormat } from "../output/output-formats.ts";

const CONFIG_DEFAULT = "/etc/stint/stint.yaml";

/** `stint doctor`: its code is loaded only then: no other command looks at a machine. */
export function addDoctor(doctor: Command, context: Context): void {
  doctor
    .option("--config <file>", "of the broker that runs here, or is to", CONFIG_DEFAULT)
    .option("--all", "what is in order too")
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<{
        readonly config: string;
        readonly all?: boolean;
        readonly output: OutputFormat;
        readonly operatorSocket: string;
        readonly timeout: number;
      }>();
      const { runDoctor } = await import("./run-doctor.ts");
      await runDoctor({ ...options, isNamed: command.getOptionValueSource("config") !== "default" }, context);
    });
}
