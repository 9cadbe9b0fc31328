import type { Readable, Writable } from "node:stream";

/** What a command works with beside its arguments: data goes to `out`, everything else to `err`. */
export type Context = {
  readonly input: Readable;
  readonly out: Writable;
  readonly err: Writable;
  /** Milliseconds since 1970. */
  readonly now: () => number;
};
