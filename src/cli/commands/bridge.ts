import { type Command, Option } from "commander";
import { STEP_PROOFS } from "../../sdk/runtime/step.ts";
import type { ClientOptions } from "../bridge/run-client.ts";
import type { Context } from "../context.ts";
import { ExitStatus, usageFailure } from "../failure.ts";
import { listFlag } from "../flags.ts";
import { addOpenFlags } from "../open-flags.ts";
import { acting } from "../session.ts";
import { addEndFlags } from "./step-run.ts";

type BridgeOptions = ClientOptions & { readonly stdio?: true };

/** `stint bridge`: what it stands on is loaded only as it runs, and not for its help. */
export function addBridge(bridge: Command, context: Context): void {
  addOpenFlags(
    bridge.argument("[command...]", "after --: the client and its arguments; {config} is the file that it is to read"),
  )
    .addOption(
      new Option(
        "--step-id <step-id>",
        "in place of --run and --step: a step that was opened for this process",
      ).conflicts(["run", "step"]),
    )
    .option("--mcp-config <file>", "the client's own configuration, with mcpServers; it is read, and never changed")
    .option("--server <name=url>", "a server beside those of the file; may be repeated", listFlag)
    .addOption(
      new Option("--other-servers <what>", "servers that the step's grant has no location for, and those without a url")
        .choices(["omit", "keep"])
        .default("omit"),
    )
    .option(
      "--stdio",
      "for a client that starts this command: MCP over standard input and output, to one --server <url>",
    )
    .addOption(
      new Option("--proof <kind>", "prove to servers that tokens are ours; absent: tokens alone").choices(STEP_PROOFS),
    );
  // Either these two or a step that is there already.
  for (const option of bridge.options) {
    if (["run", "step"].includes(option.attributeName())) option.makeOptionMandatory(false);
  }
  addEndFlags(bridge).action(
    acting(context, async (session, options: BridgeOptions, command: readonly string[]) => {
      if (options.stdio === true) {
        if (command.length > 0)
          throw usageFailure("--stdio: the client is whoever starts this, and comes not after --");
        const { runStdio } = await import("../bridge/run-stdio.ts");
        throw new ExitStatus(await runStdio(session, options));
      }
      if (command.length === 0) throw usageFailure("no client: it comes after --, as in stint bridge … -- claude");
      const { runClient } = await import("../bridge/run-client.ts");
      throw new ExitStatus(await runClient(session, options, command));
    }),
  );
}
