import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { pythonWithPackages } from "../../conformance/python/python-environment.ts";

const run = promisify(execFile);
const repository = resolve(import.meta.dirname, "../../..");
const wheels = join(repository, "build/python-client");

/** Where the package's sources, tests and requirements are. */
export const PYTHON_CLIENT = join(repository, "clients/python");

/** An interpreter, and the environment in which it finds the installed package. */
export type PythonClient = {
  readonly python: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly installed: string;
};

/**
 * A Python with the pinned packages and the package `stint-mcp`, built as a wheel and installed from it: the sources are not on its
 * path. Made below build/, once for each state of requirements and sources.
 */
export async function installedPythonClient(): Promise<PythonClient> {
  const python = await pythonWithPackages(join(PYTHON_CLIENT, "requirements.txt"));
  const installed = join(wheels, digestOfSources());
  const environment = { ...process.env, PYTHONPATH: installed, PYTHONDONTWRITEBYTECODE: "1" };
  if (existsSync(installed)) return { python, environment, installed };
  mkdirSync(wheels, { recursive: true });
  const unfinished = mkdtempSync(`${wheels}/.`);
  const wheel = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", join(unfinished, "dist"), PYTHON_CLIENT];
  await pip(python, wheel);
  const [built = ""] = readdirSync(join(unfinished, "dist"));
  await pip(python, ["install", "--no-deps", "--target", join(unfinished, "site"), join(unfinished, "dist", built)]);
  try {
    renameSync(join(unfinished, "site"), installed);
  } catch {
    // Another test was first.
  }
  rmSync(unfinished, { recursive: true, force: true });
  return { python, environment, installed };
}

async function pip(python: string, args: readonly string[]): Promise<void> {
  await run(python, ["-m", "pip", "--quiet", "--disable-pip-version-check", ...args]);
}

function digestOfSources(): string {
  const digest = createHash("sha256");
  const sources = readdirSync(join(PYTHON_CLIENT, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".pyc"))
    .map((entry) => join(entry.parentPath, entry.name));
  for (const path of [...sources.sort(), ...["pyproject.toml", "README.md"].map((name) => join(PYTHON_CLIENT, name))]) {
    digest.update(`${path}\0`).update(readFileSync(path)).update("\0");
  }
  return digest.digest("hex").slice(0, 16);
}
