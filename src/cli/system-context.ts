import type { Context } from "./context.ts";

/** The process's own streams and clock. A reader that has seen enough, such as `head`, is no failure of ours. */
export function systemContext(): Context {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
  return { input: process.stdin, out: process.stdout, err: process.stderr, now: () => Date.now() };
}
