import { once } from "node:events";
import type { Command } from "commander";
import type { Context } from "../context.ts";
import { EXIT, Failure, usageFailure } from "../failure.ts";
import { acting, type Session } from "../session.ts";
import { listenForStop } from "../stop-signal.ts";

type GuardOptions = { readonly config: string };

/** `stint guard`: its code is loaded only then, since no other command needs the libraries that it stands on. */
export function addGuard(guard: Command, context: Context): void {
  guard
    .argument("[command...]", "the server, if it speaks over standard input and output; after --")
    .requiredOption("--config <path>", "what the guard is for: guard.yaml")
    .action(acting(context, runGuard));
}

async function runGuard(session: Session, { config }: GuardOptions, command: readonly string[]): Promise<void> {
  const { ConfigError, readGuardConfig } = await import("../../guard/guard-config.ts");
  const { startGuard } = await import("../../guard/start-guard.ts");
  const { UpstreamFailure } = await import("../../guard/upstream-failure.ts");
  using stop = listenForStop();
  const told = (line: string) => session.note(`stint guard: ${line}`);
  try {
    const settings = readGuardConfig(config, command);
    const guard = await startGuard(settings, { endpoint: session.globals.socket, told });
    told(`${settings.resource} is served at ${guard.url}`);
    if (!stop.signal.aborted) await once(stop.signal, "abort");
    await guard.close();
  } catch (thrown) {
    if (thrown instanceof ConfigError) throw usageFailure(thrown.message);
    if (thrown instanceof UpstreamFailure) throw new Failure(thrown.message, EXIT.refused, { cause: thrown });
    throw thrown;
  }
}
