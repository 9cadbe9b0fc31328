import { randomBytes } from "node:crypto";
import { link, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/**
 * Writes a file for this user alone. Whoever reads it finds what was there before, or all of it.
 *
 * @throws the error of Node.js; nothing is left behind then
 */
export function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  return writeUnder(path, content, (unfinished) => rename(unfinished, path));
}

/**
 * Writes a file for this user alone, where there is none: nothing is written over, whoever made it and however late.
 *
 * @throws the error of Node.js, `EEXIST` where there is one; nothing is left behind then
 */
export function writeNew(path: string, content: string | Uint8Array): Promise<void> {
  return writeUnder(path, content, async (unfinished) => {
    await link(unfinished, path);
    await rm(unfinished);
  });
}

async function writeUnder(
  path: string,
  content: string | Uint8Array,
  give: (unfinished: string) => Promise<void>,
): Promise<void> {
  const unfinished = join(dirname(path), `.${basename(path)}.${randomBytes(8).toString("hex")}`);
  try {
    const file = await open(unfinished, "wx", 0o600);
    try {
      await file.writeFile(content);
    } finally {
      await file.close();
    }
    await give(unfinished);
  } catch (thrown) {
    await rm(unfinished, { force: true });
    throw thrown;
  }
}
