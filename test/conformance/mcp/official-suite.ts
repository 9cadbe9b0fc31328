import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { installedAsLocked } from "../locked-packages.ts";

const run = promisify(execFile);
/** By the names in package.json. */
export type SuiteRelease = "conformance-0.1" | "conformance-0.2";

/** @returns the folder in which both releases of the suite are installed, as locked. */
export const installedSuite = () => installedAsLocked(import.meta.dirname, "mcp-conformance");

/** What the suite says of one thing that it looked at. */
export type Check = {
  readonly scenario: string;
  readonly id: string;
  readonly status: "SUCCESS" | "FAILURE" | "WARNING" | "SKIPPED" | "INFO";
  readonly errorMessage?: string;
};

/**
 * Runs all scenarios for servers that apply to a version of the protocol.
 *
 * @param results - a folder to write the suite's results to.
 */
export async function checksOf(
  suite: string,
  release: SuiteRelease,
  version: string,
  url: string,
  results: string,
): Promise<Check[]> {
  const command = join(suite, "node_modules", release, "dist", "index.js");
  const terms = ["server", "--url", url, "--suite", "all", "--spec-version", version, "--output-dir", results];
  // Its exit status says that a check has failed, which is for the test to judge.
  await run(process.execPath, [command, ...terms], { maxBuffer: 2 ** 26 }).catch(() => undefined);
  const folders = await readdir(results);
  const read = folders.map(async (folder) => {
    const checks = JSON.parse(await readFile(join(results, folder, "checks.json"), "utf8")) as Omit<
      Check,
      "scenario"
    >[];
    const scenario = folder.replace(/^server-/, "").replace(/-\d{4}-\d\d-\d\dT.*$/, "");
    return checks.map((check) => ({ ...check, scenario }));
  });
  return (await Promise.all(read)).flat();
}
