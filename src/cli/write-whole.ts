import { randomBytes } from "node:crypto";
import { link, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** The file is for its user alone, and takes the place of what is there. */
const FOR_ITS_USER = { mode: 0o600, replaces: true };

/**
 * Writes a file. Whoever reads it finds what was there before, or all of it.
 *
 * @param how.mode - permission bits, whatever the umask is.
 * @param how.replaces - whether what is there makes room.
 * @throws the error of Node.js, EEXIST where something is there that is to stay; nothing is left behind then
 */
export async function writeWhole(
  path: string,
  content: string | Uint8Array,
  how: { readonly mode: number; readonly replaces: boolean } = FOR_ITS_USER,
): Promise<void> {
  const unfinished = join(dirname(path), `.${basename(path)}.${randomBytes(8).toString("hex")}`);
  try {
    const file = await open(unfinished, "wx", 0o600);
    try {
      await file.writeFile(content);
      await file.chmod(how.mode);
    } finally {
      await file.close();
    }
    if (how.replaces) return await rename(unfinished, path);
    // Unlike a rename, a link fails where the path exists already.
    await link(unfinished, path);
    await rm(unfinished);
  } catch (thrown) {
    await rm(unfinished, { force: true });
    throw thrown;
  }
}
