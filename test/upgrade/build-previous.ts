// Builds both packages of a commit, beside what npm installs for them: `build-previous.ts <commit> <folder>`. Where the folder is there already
// it is whole, and nothing is done.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";

const [, , commit = "", folder = ""] = process.argv;

if (!existsSync(folder)) {
  // Made under another name, so that one that was broken off is not taken for whole.
  const unfinished = mkdtempSync(join(dirname(folder), ".building-"));
  try {
    const run = (command: string, ...args: readonly string[]) =>
      execFileSync(command, args, { cwd: unfinished, stdio: ["ignore", "ignore", "inherit"] });
    execFileSync("sh", ["-c", 'git archive "$0" | tar --extract --directory "$1"', commit, unfinished], {
      cwd: resolve(import.meta.dirname, "../.."),
      stdio: ["ignore", "ignore", "inherit"],
    });
    run("npm", "ci", "--ignore-scripts", "--loglevel=error");
    run(process.execPath, "scripts/pack.ts");
    // What it was built by is four fifths of it.
    run("npm", "prune", "--omit=dev", "--ignore-scripts", "--loglevel=error");
    renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}
