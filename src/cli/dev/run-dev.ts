import { once } from "node:events";
import type { Context } from "../context.ts";
import { ENDPOINT_VARIABLE } from "../endpoint-variable.ts";
import { shellQuoted } from "../output/shell-quoted.ts";
import { listenForStop } from "../stop-signal.ts";
import { startDevBroker } from "./dev-broker.ts";
import { devLog } from "./dev-log.ts";
import { runCommand } from "./run-command.ts";

export type DevRequest = {
  readonly directory: string | undefined;
  readonly agents: readonly string[];
  readonly audiences: readonly string[];
  readonly datatypes: readonly string[];
  readonly verbose: boolean;
  /** Empty: no command; the broker stays until a signal ends it. */
  readonly command: readonly string[];
};

/**
 * Runs a throw-away broker until a signal comes, or until the command ends that the broker is for.
 *
 * @returns the exit status: the command's own, or 0.
 */
export async function runDev(request: DevRequest, { out, err }: Context): Promise<number> {
  // From here on a signal asks for the end, and does not kill the process, so that what is made can be removed.
  const { signal: ending } = listenForStop();
  const broker = await startDevBroker({ ...request, log: devLog(err, request.verbose) });
  const variables = {
    [ENDPOINT_VARIABLE]: `unix://${broker.workloadSocket}`,
    STINT_OPERATOR_SOCKET: broker.operatorSocket,
  };
  try {
    if (ending.aborted) return 0;
    if (request.command.length > 0) return await runCommand(request.command, variables);
    err.write(`stint dev: serving ${broker.httpUrl} and the sockets in ${broker.directory}; Ctrl-C removes it all\n`);
    for (const [name, value] of Object.entries(variables)) out.write(`export ${name}=${shellQuoted(value)}\n`);
    await once(ending, "abort");
    return 0;
  } finally {
    await broker.close();
  }
}
