import { lstat, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { usageFailure } from "../failure.ts";
import { writeWhole } from "../write-whole.ts";

/** Group and others: write. Who can write there can put a key of their own in the place of this one. */
const OTHERS_MAY_WRITE = 0o022;

/** Files by their names, in the order in which they are written. */
export type SvidFiles = ReadonlyMap<string, string | Uint8Array>;

/** A directory in which credentials are kept for programs that read files. */
export type SvidDirectory = {
  /** Writes each file with mode 0600 and puts it in its place whole; a reader finds the old one or the new one. */
  write(files: SvidFiles): Promise<void>;
  /** Removes what was written. */
  remove(): Promise<void>;
};

/**
 * Makes the directory, for this user alone, unless it is there.
 *
 * @throws Failure for one that others may write to
 */
export async function openSvidDirectory(path: string): Promise<SvidDirectory> {
  await mkdir(path, { recursive: true, mode: 0o700 }).catch(() => {
    throw usageFailure("--out: expected a directory, or a name for one in a directory that can be written to");
  });
  const stats = await lstat(path);
  if (!stats.isDirectory()) throw usageFailure("--out: expected a directory, and no link to one");
  if (stats.uid !== process.geteuid?.()) throw usageFailure("--out: expected a directory of this user's own");
  if ((stats.mode & OTHERS_MAY_WRITE) !== 0)
    throw usageFailure("--out: expected a directory that nobody else may write to");
  const written = new Set<string>();

  return {
    async write(files) {
      for (const [name, content] of files) {
        await writeWhole(join(path, name), content);
        written.add(name);
      }
    },
    async remove() {
      for (const name of written) await rm(join(path, name), { force: true });
    },
  };
}
