import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { getAsset } from "node:sea";

/** Node.js has no name for it. Linux's `__O_TMPFILE` and `O_DIRECTORY`, of which the second is another number on each processor. */
const O_TMPFILE = 0o20_000_000 | constants.O_DIRECTORY;
/** The second is in memory, and is there where the first is read-only. */
const PLACES = [tmpdir(), "/dev/shm"];

/**
 * Loads native code that is inside the executable. The system loads it from files alone: this one has no name, so that nobody else can open it or put another in its place, and ends with the
 * process.
 *
 * @throws Error where no file can be made that may be run
 */
export function loadNative(name: string): unknown {
  const code = new Uint8Array(getAsset(name));
  const problems: unknown[] = [];
  for (const place of PLACES) {
    for (const load of [loadNameless, loadNamed]) {
      try {
        return load(code, place);
      } catch (thrown) {
        problems.push(thrown);
      }
    }
  }
  throw new AggregateError(
    problems,
    `${name} can't be loaded: neither ${PLACES.join(" nor ")} takes a file that may be run`,
  );
}

function loadNameless(code: Uint8Array, place: string): unknown {
  const file = openSync(place, O_TMPFILE | constants.O_RDWR | constants.O_EXCL, 0o500);
  try {
    writeAll(file, code);
    return loadFrom(`/proc/self/fd/${file}`);
  } finally {
    closeSync(file);
  }
}

/** On file systems that know no files without a name: in a folder that is nobody else's, and is gone once the code is loaded. */
function loadNamed(code: Uint8Array, place: string): unknown {
  const folder = mkdtempSync(join(place, "stint-"));
  try {
    const path = join(folder, "native.node");
    const file = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o500);
    try {
      writeAll(file, code);
    } finally {
      closeSync(file);
    }
    return loadFrom(path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function writeAll(file: number, code: Uint8Array): void {
  for (let at = 0; at < code.length; ) at += writeSync(file, code, at);
}

function loadFrom(path: string): unknown {
  const loaded: { exports: unknown } = { exports: {} };
  process.dlopen(loaded, path);
  return loaded.exports;
}
