import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { KEPT_BUILDS } from "./kept-builds.ts";

const FILES = ["package.json", "package-lock.json"] as const;

/**
 * Packages that a folder pins, installed once for each state of its lock file. They are no dependencies of the project: a test alone
 * needs them, and they bring many more.
 *
 * @returns what loads one of their modules, by its name.
 */
export async function keptModules(folder: string): Promise<(name: string) => Promise<unknown>> {
  const digest = createHash("sha256")
    .update(readFileSync(join(folder, "package-lock.json")))
    .digest("hex");
  const environments = join(KEPT_BUILDS, basename(folder));
  const environment = join(environments, digest.slice(0, 16));
  if (!existsSync(environment)) await install(folder, environments, environment);
  const { resolve: pathOf } = createRequire(join(environment, "package.json"));
  return (name) => import(pathOf(name));
}

async function install(folder: string, environments: string, environment: string): Promise<void> {
  mkdirSync(environments, { recursive: true });
  // Made under another name, so that an interrupted installation is not taken for whole.
  const unfinished = mkdtempSync(`${environments}/.`);
  for (const file of FILES) copyFileSync(join(folder, file), join(unfinished, file));
  await promisify(execFile)("npm", ["ci", "--ignore-scripts", "--loglevel=error"], { cwd: unfinished });
  try {
    renameSync(unfinished, environment);
  } catch {
    // Another test was first.
    rmSync(unfinished, { recursive: true, force: true });
  }
}
