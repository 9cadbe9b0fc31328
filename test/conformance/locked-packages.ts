import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const build = resolve(import.meta.dirname, "../../build");
const PACKAGE_FILES = ["package.json", "package-lock.json", ".npmrc"];

/** Time to download and unpack packages, once for a state of their lock file; afterwards they are below build/. */
export const INSTALL_MS_MAX = 300_000;

/**
 * Installs the packages that a folder's lock file names, without running any of their scripts.
 *
 * @param name - of the folder below build/.
 * @returns the folder that has them in its node_modules.
 */
export async function installedAsLocked(packageFolder: string, name: string): Promise<string> {
  const builds = join(build, name);
  const lock = readFileSync(join(packageFolder, "package-lock.json"));
  const folder = join(builds, createHash("sha256").update(lock).digest("hex").slice(0, 16));
  if (existsSync(folder)) return folder;
  mkdirSync(builds, { recursive: true });
  // Made under another name, so that an interrupted installation is not taken for whole.
  const unfinished = mkdtempSync(`${builds}/.`);
  for (const file of PACKAGE_FILES) copyFileSync(join(packageFolder, file), join(unfinished, file));
  await run("npm", ["ci", "--ignore-scripts", "--loglevel=error"], { cwd: unfinished });
  try {
    renameSync(unfinished, folder);
  } catch {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return folder;
}
