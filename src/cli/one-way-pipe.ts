import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { EXIT, Failure } from "./failure.ts";

/** Both ends close on exec. */
export type OneWayPipe = {
  /** A descriptor to be given to a child, and closed here once that has it. */
  readonly readEnd: number;
  readonly writeEnd: Writable;
};

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;

/**
 * A pipe as `pipe(2)` makes it. Node makes none, and the socket that it gives a child in place of one can't be opened by
 * `/dev/fd/<number>`, which is all that some languages have. So it is made under a name that is gone before it is used.
 *
 * @throws Failure where there is no place for it, or no mkfifo
 */
export function openOneWayPipe(): OneWayPipe {
  let directory: string | undefined;
  try {
    directory = mkdtempSync(join(tmpdir(), "stint-pipe-"));
    const path = join(directory, "pipe");
    execFileSync("mkfifo", ["-m", "600", path], { stdio: "ignore" });
    // Opening waits for the other side, unless it is told not to, or there is one.
    const opener = openSync(path, O_RDONLY | O_NONBLOCK);
    const writeEnd = openSync(path, O_WRONLY | O_NONBLOCK);
    const readEnd = openSync(path, O_RDONLY);
    closeSync(opener);
    return { readEnd, writeEnd: new Socket({ fd: writeEnd, readable: false, writable: true }) };
  } catch (thrown) {
    throw new Failure("--credential-fd: can't make a pipe in the directory for temporary files", EXIT.refused, {
      cause: thrown,
    });
  } finally {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  }
}
