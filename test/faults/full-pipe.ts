import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";

export type FullPipe = {
  readonly writeEnd: number;
  readonly readEnd: number;
  /** What is in the pipe now, without the bytes that filled it; reading makes room. */
  read(): string;
};

const FILLING = ".";

/** A pipe that is full, of which nobody reads. */
/** A pipe that is full, of which nobody reads. */
export function fullPipe(directory: string): FullPipe {
  const path = join(directory, "pipe");
  execFileSync("mkfifo", [path]);
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writeEnd = openSync(path, constants.O_WRONLY);
  const filling = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  for (const bytes of [4_096, 1]) {
    try {
      for (;;) writeSync(filling, Buffer.alloc(bytes, FILLING));
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: "EAGAIN" });
    }
  }
  closeSync(filling);
  const room = Buffer.alloc(1 << 20);
  return {
    writeEnd,
    readEnd,
    read() {
      try {
        return room.toString("utf8", 0, readSync(readEnd, room)).replace(/^\.+/, "");
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: "EAGAIN" });
        return "";
      }
    },
  };
}
