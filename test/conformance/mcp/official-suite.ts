import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const builds = resolve(import.meta.dirname, "../../../build/mcp-conformance");
const PACKAGE_FILES = ["package.json", "package-lock.json", ".npmrc"];

/** Time to download and unpack the suite, once for a state of its lock file; afterwards it is below build/. */
export const SUITE_INSTALL_MS_MAX = 300_000;

/** By the names in package.json. */
export type SuiteRelease = "conformance-0.1" | "conformance-0.2";

/** @returns the folder in which both releases of the suite are installed, as locked. */
export async function installedSuite(): Promise<string> {
  const lock = readFileSync(join(import.meta.dirname, "package-lock.json"));
  const folder = join(builds, createHash("sha256").update(lock).digest("hex").slice(0, 16));
  if (existsSync(folder)) return folder;
  mkdirSync(builds, { recursive: true });
  // Made under another name, so that an interrupted installation is not taken for whole.
  const unfinished = mkdtempSync(`${builds}/.`);
  for (const name of PACKAGE_FILES) copyFileSync(join(import.meta.dirname, name), join(unfinished, name));
  await run("npm", ["ci", "--ignore-scripts", "--loglevel=error"], { cwd: unfinished });
  try {
    renameSync(unfinished, folder);
  } catch {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return folder;
}

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
