import tab from "@bomb.sh/tab/commander";
import { type Command, Option } from "commander";
import { OPERATOR_SOCKET_DEFAULT } from "../sdk/operator/connect-operator.ts";
import { addAuthority } from "./commands/authority.ts";
import { addBridge } from "./commands/bridge.ts";
import { addCall } from "./commands/call.ts";
import { addEntry } from "./commands/entry.ts";
import { addExchange } from "./commands/exchange.ts";
import { addExplain } from "./commands/explain.ts";
import { addFederation } from "./commands/federation.ts";
import { addGuard } from "./commands/guard.ts";
import { addHistory } from "./commands/history.ts";
import { addInspect } from "./commands/inspect.ts";
import { addJoinToken } from "./commands/join-token.ts";
import { addLedger } from "./commands/ledger.ts";
import { addPolicy } from "./commands/policy.ts";
import { addPrincipal } from "./commands/principal.ts";
import { addRevoke } from "./commands/revoke.ts";
import { addRisk } from "./commands/risk.ts";
import { addStatus } from "./commands/status.ts";
import { addStep } from "./commands/step.ts";
import { addSvid } from "./commands/svid.ts";
import { addTool } from "./commands/tool.ts";
import { addVerifier } from "./commands/verifier.ts";
import { addWhoami } from "./commands/whoami.ts";
import type { Context } from "./context.ts";
import { addDev } from "./dev/dev.ts";
import { durationFlag } from "./flags.ts";
import { OUTPUT_FORMATS } from "./output/printer.ts";
import { createProgram } from "./run-program.ts";
import { ENDPOINT_VARIABLE } from "./session.ts";
import { readVersion } from "./version.ts";

const WORKLOAD_ENDPOINT_DEFAULT = "unix:///run/stint/workload.sock";
const TIMEOUT_SECONDS_DEFAULT = 30;

/** The command line of operators and scripts. */
export function stintProgram(context: Context): Command {
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

  addStatus(program, context);
  addEntry(program, context);
  addStep(program, context);
  addCall(program, context);
  addSvid(program, context);
  addExchange(program, context);
  addRevoke(program, context);
  addPrincipal(program, context);
  addRisk(program, context);
  addHistory(program, context);
  addExplain(program, context);
  addTool(program, context);
  addVerifier(program, context);
  addGuard(program, context);
  addBridge(program, context);
  addInspect(program, context);
  addLedger(program, context);
  addAuthority(program, context);
  addFederation(program, context);
  addJoinToken(program, context);
  addPolicy(program, context);
  addWhoami(program, context);
  addDev(program, context);
  tab(program, { completionCommandName: "completion" });
  const completion = program.commands.find((command) => command.name() === "completion");
  completion?.description("a script that has a shell complete commands and flags: source <(stint completion bash)");
  for (const argument of completion?.registeredArguments ?? []) argument.description = "which shell";
  return program;
}
