import type { Command } from "commander";
import type { Context } from "../context.ts";
import { EXIT, Failure, usageFailure } from "../failure.ts";

const CONFIG_DEFAULT = "/etc/stint/node.yaml";

/** `stint node`: its code is loaded only then: no other command needs an attestor or a server. */
export function addNode(node: Command, _context: Context): void {
  node
    .option(
      "--config <path>",
      "which broker, by what evidence, and the socket for this machine's processes",
      CONFIG_DEFAULT,
    )
    .action(async ({ config }: { readonly config: string }) => {
      const { ConfigError, readNodeConfig } = await import("../../node/node-config.ts");
      const { runNodeAgent } = await import("../../main/node-agent.ts");
      try {
        await runNodeAgent(readNodeConfig(config));
      } catch (thrown) {
        if (thrown instanceof ConfigError) throw usageFailure(thrown.message);
        throw new Failure(thrown instanceof Error ? thrown.message : String(thrown), EXIT.refused, { cause: thrown });
      }
    });
}
