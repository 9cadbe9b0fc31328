import { access } from "node:fs/promises";
import { join } from "node:path";
import { readPrivateFile, writePrivateFile } from "./private-file.ts";

/**
 * A secret that outlives the process: read from its file, or made and written on first use.
 *
 * @param make - the secret's bytes.
 * @throws UnsafeFileError for a file that others could have read or made
 */
export async function keepSecret(directory: string, name: string, make: () => Uint8Array): Promise<Uint8Array> {
  const path = join(directory, name);
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (!isThere) await writePrivateFile(directory, name, make());
  return readPrivateFile(path);
}
