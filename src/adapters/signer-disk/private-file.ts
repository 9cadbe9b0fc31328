import { randomBytes } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { lstat, open, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";

/**
 * A file or directory that anyone else could read, change or have put there. The error's message names the path: the
 * message is for the operator who starts the daemon, and must not be shown to a caller.
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
 * Checks a directory that holds secrets: no link, owned by the broker's user, and closed to everybody else.
 *
 * @throws UnsafeFileError
 */
export async function checkPrivateDirectory(path: string): Promise<void> {
  // With a trailing slash the kernel would follow a link before the link has been looked at.
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
  // Checked before the file is opened too: opening a device can have effects of its own.
  checkPrivateStats(path, await lstat(path));
  // Opened without blocking, so that a FIFO put there since can't hold up the start.
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

/** Ends the name of the file that a write leaves behind when the machine stops during it. */
export const UNFINISHED_SUFFIX = ".unfinished";

/**
 * Writes a file with mode 0600 so that after a crash the file is there whole or not at all. Returns once the file is
 * durable.
 *
 * @param name - the file's name within the directory; a file of this name is replaced.
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

/** Removes a file, if it is there. Returns once that is durable. */
export async function removePrivateFile(directory: string, name: string): Promise<void> {
  await rm(join(directory, name), { force: true });
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
