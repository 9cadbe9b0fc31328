import type { Context } from "./context.ts";

/**
 * The process's own streams and clock. A reader that has seen enough, such as `head`, is no failure of ours, and one of
 * standard error that has gone is none either: without a listener it would end the process.
 */
export function systemContext(): Context {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
  process.stderr.on("error", () => undefined);
  return { input: process.stdin, out: process.stdout, err: process.stderr, now: () => Date.now() };
}
