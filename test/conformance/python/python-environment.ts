import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const folder = import.meta.dirname;
const environments = resolve(folder, "../../../build/python");
/** The first version that the MCP SDK takes. */
const PYTHON_MINOR_MIN = 10;

/** Why the tests in Python can't run here; nothing when they can. Said once on standard error. */
export function pythonIsMissing(minorMin = PYTHON_MINOR_MIN): string | undefined {
  try {
    const version = execFileSync("python3", ["-c", "import sys, venv, ensurepip; print(*sys.version_info[:2])"], {
      encoding: "utf8",
      stdio: "pipe",
    });
    const [major, minor] = version.trim().split(" ").map(Number);
    if (major === 3 && minor !== undefined && minor >= minorMin) return undefined;
  } catch {
    // Told below, like a Python that is too old.
  }
  const reason = `python3 of at least 3.${minorMin} with venv is not there`;
  process.stderr.write(`tests with Python verifiers are skipped: ${reason}\n`);
  return reason;
}

/**
 * A Python with the pinned packages, below build/; made once for each state of the requirements.
 *
 * @param requirements - the file that pins them.
 * @returns the interpreter's path.
 */
export async function pythonWithPackages(requirements = join(folder, "requirements.txt")): Promise<string> {
  const digest = createHash("sha256").update(readFileSync(requirements)).digest("hex").slice(0, 16);
  const environment = join(environments, digest);
  const python = join(environment, "bin", "python");
  if (existsSync(environment)) return python;
  mkdirSync(environments, { recursive: true });
  // Made under another name, so that neither an interrupted installation nor one that another test is at is taken for whole.
  const unfinished = mkdtempSync(`${environments}/.`);
  await run("python3", ["-m", "venv", unfinished]);
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"];
  await run(join(unfinished, "bin", "python"), [...pip, "--no-deps", "--requirement", requirements]);
  try {
    renameSync(unfinished, environment);
  } catch {
    // Another test was first.
    rmSync(unfinished, { recursive: true, force: true });
  }
  return python;
}
