import { execFileSync } from "node:child_process";
import { closeSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Why no file system can be mounted here; `undefined` where one can. */
export const cannotMount: string | undefined =
  process.getuid?.() === 0 && isThere("mount") ? undefined : "mounting a file system needs root";

/** Whether this program is installed. */
export function isThere(program: string): boolean {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

export type SmallDisk = {
  readonly path: string;
  /** Takes all room but so many bytes. */
  fill(leaveBytes?: number): void;
  /** Gives it back. */
  free(): void;
};

/** A file system of its own, small enough to be filled, gone afterwards. */
export async function onSmallDisk(bytes: number, work: (disk: SmallDisk) => Promise<void>): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), "stint-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes},mode=0700`, "stint-test", path]);
  const filler = join(path, "filler");
  try {
    await work({
      path,
      fill(leaveBytes = 0) {
        const file = openSync(filler, "a");
        try {
          for (const size of [65_536, 4_096, 1]) {
            const chunk = Buffer.alloc(size);
            while (freeBytes(path) - size >= leaveBytes && writeSync(file, chunk) === size);
          }
        } catch (thrown) {
          if (!(thrown instanceof Error && "code" in thrown && thrown.code === "ENOSPC")) throw thrown;
        } finally {
          closeSync(file);
        }
      },
      free: () => rmSync(filler, { force: true }),
    });
  } finally {
    execFileSync("umount", ["--lazy", path]);
    await rm(path, { recursive: true });
  }
}

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}
