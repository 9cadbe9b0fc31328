import { createHash } from "node:crypto";
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readlinkSync, readSync } from "node:fs";
import { parentPort } from "node:worker_threads";

/*
 * Hashes executables in a thread of its own. Not only the hashing but every touch of the file happens here: whoever
 * serves the file system could make an open or a stat wait for ever.
 */

/** What the worker answers to a pid. */
export type DigestAnswer =
  | {
      readonly kind: "digest";
      /** Lower-case hexadecimal. */
      readonly sha256: string;
      /** Path of the file that was hashed, as the kernel prints it. */
      readonly link: string;
    }
  | { readonly kind: "failure"; readonly errno: string };

/** The largest runtimes have a fifth of this size; without a limit, a sparse file could be read for days. */
const EXECUTABLE_BYTES_MAX = 512 * 1024 * 1024;
const CACHED_DIGESTS_MAX = 1_024;
const READ_BYTES = 1024 * 1024;
/** A file changed again within one tick of its file system's clock keeps its ctime, so a fresh ctime proves nothing. */
const SETTLED_MS = 2_000;

/** SHA-256 by what `versionOf` gives for a file; oldest first. */
const cache = new Map<string, string>();
const buffer = Buffer.alloc(READ_BYTES);

function digestOf(pid: number): DigestAnswer {
  // The link leads to the file that is being executed, whatever file is at its path by now.
  const fd = openSync(`/proc/${pid}/exe`, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const link = readlinkSync(`/proc/self/fd/${fd}`);
    const before = fstatSync(fd, { bigint: true });
    if (!before.isFile()) return { kind: "failure", errno: "EINVAL" };
    if (before.size > EXECUTABLE_BYTES_MAX) return { kind: "failure", errno: "EFBIG" };
    const known = cache.get(versionOf(before));
    if (known !== undefined) return { kind: "digest", sha256: known, link };
    const sha256 = hash(fd);
    if (versionOf(fstatSync(fd, { bigint: true })) !== versionOf(before)) return { kind: "failure", errno: "EBUSY" };
    if (Date.now() - Number(before.ctimeMs) >= SETTLED_MS) remember(versionOf(before), sha256);
    return { kind: "digest", sha256, link };
  } finally {
    closeSync(fd);
  }
}

function versionOf(stats: BigIntStats): string {
  return `${stats.dev}/${stats.ino}/${stats.ctimeNs}/${stats.size}`;
}

function hash(fd: number): string {
  const sha256 = createHash("sha256");
  for (;;) {
    const bytes = readSync(fd, buffer, 0, READ_BYTES, null);
    if (bytes === 0) return sha256.digest("hex");
    sha256.update(buffer.subarray(0, bytes));
  }
}

function remember(version: string, sha256: string): void {
  if (cache.size >= CACHED_DIGESTS_MAX) {
    for (const oldest of cache.keys()) {
      cache.delete(oldest);
      break;
    }
  }
  cache.set(version, sha256);
}

parentPort?.on("message", (pid: number) => {
  let answer: DigestAnswer;
  try {
    answer = digestOf(pid);
  } catch (error) {
    answer = { kind: "failure", errno: error instanceof Error && "code" in error ? String(error.code) : "EIO" };
  }
  parentPort?.postMessage(answer);
});
