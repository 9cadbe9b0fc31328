import { closeSync } from "node:fs";
import { isOneOfTheLast, type Libc } from "./libc.ts";

/**
 * The `status` files of pinned processes that are kept open. Such a descriptor is of its process for good: once the
 * process has ended, a read fails with ESRCH, whoever has the pid by then.
 */
export type StatusFiles = {
  /** The descriptor that is kept for a process; `undefined` when there is none. It stays open until the next call. */
  of(process: object): number | undefined;
  /** Takes over a descriptor that was shown to be of this process, and closes it where no more may be kept. */
  keep(process: object, fd: number): void;
  /** Closes what is kept for a process. */
  release(process: object): void;
};

/** More processes than act within a second; each costs the kernel some 5 kB. */
const KEPT_MAX = 1_024;
/** The rest of the process's descriptors are for connections, of which each takes two. */
const SHARE_OF_DESCRIPTORS = 1 / 16;

/**
 * Keeps the files of the processes that were asked about last, each under the object that stands for its process here.
 *
 * @param keptMax - how many at the most.
 */
export function createStatusFiles(libc: Libc, keptMax: number = keptMaxOf(libc)): StatusFiles {
  /** The one that was not asked about for the longest time is first. */
  const kept = new Map<object, number>();

  function release(process: object): void {
    const fd = kept.get(process);
    if (fd === undefined) return;
    kept.delete(process);
    closeSync(fd);
  }

  return {
    of(process) {
      const fd = kept.get(process);
      if (fd === undefined) return undefined;
      kept.delete(process);
      kept.set(process, fd);
      return fd;
    },
    keep(process, fd) {
      if (keptMax < 1 || isOneOfTheLast(libc, fd)) {
        closeSync(fd);
        return;
      }
      kept.set(process, fd);
      for (const oldest of kept.keys()) {
        if (kept.size <= keptMax) break;
        release(oldest);
      }
    },
    release,
  };
}

function keptMaxOf(libc: Libc): number {
  const max = libc.descriptorsMax();
  return typeof max === "number" ? Math.min(KEPT_MAX, Math.floor(max * SHARE_OF_DESCRIPTORS)) : 0;
}
