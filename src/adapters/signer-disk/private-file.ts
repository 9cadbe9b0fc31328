import { randomBytes } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { lstat, open, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";

/**
 * A file or directory that anyone else could read, change or have put there. Its message names the path: it is for the
 * operator who starts the daemon, and must not be shown to a caller.
 */
export class UnsafeFileError extends Error {
  override readonly name = "UnsafeFileError";
  readonly path: string;

  constructor(path: string, finding: string) {
    super(`${path}: ${finding}`);
    this.path = path;
  }
}

/** Group and others: read, write, execute. */
const OTHERS_BITS = 0o077;

/** A private key in PEM is under 300 bytes; nothing secret that is kept in a file is large. */
const PRIVATE_FILE_BYTES_MAX = 64 * 1024;

/**
 * Checks a directory that holds secrets: a real one, ours, closed to everybody else.
 *
 * @throws UnsafeFileError
 */
export async function checkPrivateDirectory(path: string): Promise<void> {
  // A trailing slash would have the kernel follow a link before anyone has looked at it.
  const stats = await lstat(resolve(path));
  if (!stats.isDirectory()) throw new UnsafeFileError(path, `${kindOf(stats)}, where a directory is expected`);
  checkOwnerAndMode(path, stats, "0700");
}

/**
 * Reads a file that holds a secret. What was checked is what is read, whatever happens to the path meanwhile.
 *
 * @throws UnsafeFileError
 */
export async function readPrivateFile(path: string): Promise<Buffer> {
  // Before it is opened too: opening a device can do things of its own.
  checkPrivateStats(path, await lstat(path));
  // Not blocking, so that a FIFO put there since can't hold up the start.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    checkPrivateStats(path, stats);
    if (stats.size > PRIVATE_FILE_BYTES_MAX) throw new UnsafeFileError(path, "larger than any file of ours");
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function checkPrivateStats(path: string, stats: Stats): void {
  if (!stats.isFile()) throw new UnsafeFileError(path, `${kindOf(stats)}, where a regular file is expected`);
  checkOwnerAndMode(path, stats, "0600");
}

function checkOwnerAndMode(path: string, stats: Stats, expectedMode: string): void {
  const uid = process.geteuid?.();
  if (stats.uid !== uid) throw new UnsafeFileError(path, `belongs to uid ${stats.uid}, and must to uid ${uid}`);
  if ((stats.mode & OTHERS_BITS) !== 0) {
    const mode = (stats.mode & 0o7777).toString(8).padStart(4, "0");
    throw new UnsafeFileError(path, `has mode ${mode}, and must have ${expectedMode}`);
  }
}

function kindOf(stats: Stats): string {
  if (stats.isSymbolicLink()) return "a symbolic link";
  if (stats.isDirectory()) return "a directory";
  if (stats.isFile()) return "a regular file";
  if (stats.isFIFO()) return "a FIFO";
  return stats.isSocket() ? "a socket" : "a device";
}

/** What an unfinished write leaves behind when the machine stops within it. */
export const UNFINISHED_SUFFIX = ".unfinished";

/**
 * Writes a file with mode 0600 so that after a crash it is there whole or not at all. Returns once it is durable.
 *
 * @param name - within the directory; replaced when it is there.
 */
export async function writePrivateFile(directory: string, name: string, content: string | Uint8Array): Promise<void> {
  const unfinished = join(directory, `${name}.${randomBytes(8).toString("hex")}${UNFINISHED_SUFFIX}`);
  try {
    const file = await open(unfinished, "wx", 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, join(directory, name));
  } catch (thrown) {
    await rm(unfinished, { force: true });
    throw thrown;
  }
  await syncDirectory(directory);
}

/** Makes durable which names a directory has. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
