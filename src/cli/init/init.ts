import type { Command } from "commander";
import type { Context } from "../context.ts";
import { listFlag } from "../flags.ts";
import type { OutputFormat } from "../output/output-formats.ts";

type InitOptions = {
  readonly trustDomain?: string;
  readonly agent?: readonly string[];
  readonly serverUrl?: string;
  readonly operator?: readonly string[];
  readonly issuer?: string;
  readonly daemonUser: string;
  readonly runtimeUser: string;
  readonly serverUser: string;
  readonly operatorGroup: string;
  readonly dataDirectory: string;
  readonly socketDirectory: string;
  readonly yes?: boolean;
  readonly force?: boolean;
  readonly output: OutputFormat;
};

/** `stint init`: a first configuration. What reads configurations is loaded only then. */
export function addInit(init: Command, context: Context): void {
  init
    .argument("[file]", "the configuration to write", "stint.yaml")
    .option("--trust-domain <name>", "with which every identity begins; asked where it is not given")
    .option("--agent <user>", "an agent, and the user whose programs are it; may be repeated; asked", listFlag)
    .option("--server-url <url>", "the MCP server whose tools they call; asked")
    .option("--operator <user>", "who administers it; may be repeated; asked", listFlag)
    .option("--yes", "take the usual answer for what no flag gives, and ask nothing")
    .option("--force", "replace a file that is there")
    .option("--issuer <url>", "`iss` of JWT-SVIDs; by default https://stint.<trust domain>:8443")
    .option("--daemon-user <name>", "under which stintd runs", "stint")
    .option("--runtime-user <name>", "of the program that opens the agents' steps", "agent-runtime")
    .option("--server-user <name>", "of the MCP server", "mcp-server")
    .option("--operator-group <name>", "whose members may connect to the operator socket", "stint-operators")
    .option("--data-directory <path>", "keys and ledger", "/var/lib/stint")
    .option("--socket-directory <path>", "of the sockets", "/run/stint")
    .action(async (file: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<InitOptions>();
      const { runInit } = await import("./run-init.ts");
      await runInit(
        {
          file,
          unasked: {
            issuer: options.issuer,
            daemonUser: options.daemonUser,
            runtimeUser: options.runtimeUser,
            serverUser: options.serverUser,
            operatorGroup: options.operatorGroup,
            dataDirectory: options.dataDirectory,
            socketDirectory: options.socketDirectory,
          },
          given: {
            trustDomain: options.trustDomain,
            agents: options.agent?.join(","),
            serverUrl: options.serverUrl,
            operators: options.operator?.join(","),
          },
          takesUsual: options.yes === true,
          replaces: options.force === true,
          output: options.output,
        },
        context,
      );
    });
}
