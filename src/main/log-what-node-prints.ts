import type { ProcessLog } from "../adapters/log-pino/log-pino.ts";
import type { Log } from "../ports/log.ts";

/** How long the last lines of the log may take, where their reader is slow. */
export const LAST_LINES_MS = 500;

/**
 * What Node.js would print as text on standard error is a line of the log, like all else that is written there.
 *
 * @param logs.warnings - takes what does not end the process.
 * @param program - what an error that nobody caught ends.
 */
export function logWhatNodePrints(
  logs: { readonly whole: ProcessLog; readonly warnings: Pick<Log, "warning"> },
  program: string,
): void {
  const { whole, warnings } = logs;
  process.removeAllListeners("warning");
  process.on("warning", ({ name, message }) => warnings.warning("Node.js warns", { name, warning: message }));
  process.on("uncaughtException", (error) => {
    whole.fatal(`an error that nobody caught ends ${program}`, {}, error);
    void whole.flushed(LAST_LINES_MS).then(() => process.exit(1));
  });
}
