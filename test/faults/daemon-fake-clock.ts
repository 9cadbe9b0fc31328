import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const COMPILER = "cc";
const SOURCE = fileURLToPath(new URL("wall-clock.c", import.meta.url));

/** libfaketime, where it is installed; else a library of our own, where there is a C compiler. */
export const LIBRARY: string | undefined =
  ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
    .map((directory) => `${directory}/faketime/libfaketimeMT.so.1`)
    .find((path) => existsSync(path)) ?? compiled();

function compiled(): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), "stint-clock-library-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  const library = join(directory, "wall-clock.so");
  try {
    execFileSync(COMPILER, ["-shared", "-fPIC", "-O1", "-o", library, SOURCE], { stdio: "ignore" });
    return library;
  } catch {
    return undefined;
  }
}

export type FakeClock = {
  /** Of the process whose wall clock this is to be. Its monotonic clock and its files' times are left alone. */
  readonly environment: NodeJS.ProcessEnv;
  /** Makes the wall clock this machine's plus so many seconds, at once. */
  set(offsetSeconds: number): void;
};

/** A wall clock that a test can set; this machine's where there is no library for it. */
export function fakeClock(): FakeClock {
  const directory = mkdtempSync(join(tmpdir(), "stint-clock-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "offset");
  const set = (offsetSeconds: number) => {
    writeFileSync(`${file}.new`, `${offsetSeconds < 0 ? "" : "+"}${offsetSeconds}`);
    renameSync(`${file}.new`, file);
  };
  set(0);
  const environment = {
    LD_PRELOAD: LIBRARY,
    // Of libfaketime; our own knows nothing but the file.
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    NO_FAKE_STAT: "1",
    WALL_CLOCK_OFFSET_FILE: file,
  };
  return { environment: LIBRARY === undefined ? {} : environment, set };
}
