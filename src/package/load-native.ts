import { randomBytes } from "node:crypto";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { getAsset } from "node:sea";

/** Linux's `O_TMPFILE`, for which Node.js has no name; what it includes is another number on each processor. */
const O_TMPFILE = 0o20_000_000 | constants.O_DIRECTORY;
/** The second is in memory, and may run programs where the first may not. */
const PLACES = [tmpdir(), "/dev/shm"];
const SPELLING_BYTES = 8;

/**
 * Loads native code that is inside the executable. The system loads it from files alone: this one never has a name, so that nobody can put
 * another in its place, and nothing is left of it.
 *
 * @throws Error where no such file can be made, or none that may be run
 */
export function loadNative(name: string): unknown {
  const code = new Uint8Array(getAsset(name));
  const problems: unknown[] = [];
  for (const place of PLACES) {
    try {
      return loadFrom(place, code);
    } catch (thrown) {
      problems.push(thrown);
    }
  }
  const [cause] = problems;
  const where = PLACES.join(" or ");
  throw new Error(`no file that may be run can be made in ${where}: TMPDIR can name a folder where one can`, { cause });
}

function loadFrom(place: string, code: Uint8Array): unknown {
  const file = openSync(place, O_TMPFILE | constants.O_RDWR | constants.O_EXCL, 0o500);
  try {
    for (let at = 0; at < code.length; ) at += writeSync(file, code, at);
    const loaded: { exports: unknown } = { exports: {} };
    process.dlopen(loaded, pathOf(file));
    return loaded.exports;
  } finally {
    closeSync(file);
  }
}

/**
 * An open file's path, spelled as no other. The C library takes a path that it has loaded from for what it loaded then, and numbers of files
 * come again.
 */
function pathOf(file: number): string {
  const bits = BigInt(`0x${randomBytes(SPELLING_BYTES).toString("hex")}`).toString(2);
  return `/proc/self/fd${bits.replaceAll("0", "/").replaceAll("1", "/.")}/${file}`;
}
