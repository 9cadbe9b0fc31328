import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { LIMITS } from "../../domain/limits.ts";
import { usageFailure } from "../failure.ts";
import { codeOf } from "../open-flags.ts";

/** Part of a file as it is sent; a message holds at most 64 KiB. */
export type FilePart = {
  readonly part?: { readonly file: string; readonly text: Uint8Array };
  readonly baseline: boolean;
};

const PART_BYTES = 48 * 1_024;

/**
 * The policies in files of a directory, in parts to be sent. What is wrong with them is for the broker to say.
 *
 * @param files - names in the directory; none is the baseline alone.
 * @throws Failure for a file that can't be read, or too much in all
 */
export async function filePartsOf(
  directory: string,
  files: readonly string[],
  baseline: boolean,
): Promise<readonly FilePart[]> {
  const parts: FilePart[] = [{ baseline }];
  let bytes = 0;
  try {
    for (const file of files) {
      const path = join(directory, file);
      const facts = await stat(path);
      bytes += facts.size;
      if (!facts.isFile()) throw usageFailure(`${path}: expected a file`);
      if (bytes > LIMITS.policySetBytesMax)
        throw usageFailure(`${directory}: at most ${LIMITS.policySetBytesMax} bytes`);
      const text = await readFile(path);
      for (let from = 0; from < text.length; from += PART_BYTES) {
        parts.push({ part: { file, text: text.subarray(from, from + PART_BYTES) }, baseline });
      }
    }
  } catch (thrown) {
    if (thrown instanceof Error && "exitStatus" in thrown) throw thrown;
    throw usageFailure(`${directory}: can't be read (${codeOf(thrown)})`);
  }
  return parts;
}
