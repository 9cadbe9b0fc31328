import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** libfaketime, where it is installed. */
export const LIBRARY = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
  .map((directory) => `${directory}/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path));

export type FakeClock = {
  /** Of the process whose wall clock this is to be. Its monotonic clock and its files' times are left alone. */
  readonly environment: NodeJS.ProcessEnv;
  /** Makes the wall clock this machine's plus so many seconds, at once. */
  set(offsetSeconds: number): void;
};

/** A wall clock that a test can set; one that is this machine's where there is no libfaketime. */
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
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    NO_FAKE_STAT: "1",
  };
  return { environment: LIBRARY === undefined ? {} : environment, set };
}
