import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { cannotMount } from "./small-disk.ts";

const MKFS = "mkfs.ext4";
const LOSETUP = "losetup";

/** Why there can be no such disk here; `undefined` where there can. */
export const cannotLoop: string | undefined = cannotMount ?? whyNot();

function whyNot(): string | undefined {
  try {
    execFileSync(MKFS, ["-V"], { stdio: "ignore" });
    execFileSync(LOSETUP, ["--find"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "it needs mkfs.ext4 and a loop device";
  }
}

/** Enough for ext4 with a journal, its reserve and a ledger. */
const BYTES = 64 * 1_024 * 1_024;

export type LoopDisk = {
  readonly path: string;
  /** The file that is the disk: what was written through, and nothing that the kernel still has in memory. */
  readonly image: string;
  /** What ext4 does when its disk fails: it gives up its journal, and whatever is written from then on gets EROFS. */
  turnReadOnly(): void;
  /** Mounts it anew, as after a check. Nobody may have a file on it open. */
  mend(): void;
};

/** A disk of its own with ext4 on it; gone with the test. */
export function loopDisk(): LoopDisk {
  const directory = mkdtempSync(join(tmpdir(), "stint-loop-"));
  const image = join(directory, "image");
  const path = join(directory, "disk");
  mkdirSync(path);
  writeFileSync(image, "");
  truncateSync(image, BYTES);
  execFileSync(MKFS, ["-q", image]);
  const mount = () => execFileSync("mount", ["-o", "loop,errors=remount-ro", image, path]);
  mount();
  chmodSync(path, 0o755);
  onTestFinished(() => {
    execFileSync("umount", ["--lazy", path]);
    rmSync(directory, { recursive: true });
  });
  return {
    path,
    image,
    turnReadOnly: () => void execFileSync("mount", ["-o", "remount,abort", path]),
    mend() {
      execFileSync("umount", [path]);
      mount();
    },
  };
}
