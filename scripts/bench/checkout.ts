import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";

/** Source that a daemon can be started from. */
export type Checkout = {
  readonly directory: string;
  /** For people: the commit's short name and subject. */
  readonly name: string;
  readonly commit: string;
};

export const ROOT = resolve(import.meta.dirname, "../..");

/** This checkout as it stands, changes that are not committed included. */
export function thisCheckout(root = ROOT): Checkout {
  const git = gitIn(root);
  const changes = git("status", "--porcelain") === "" ? "" : ", and changes that are not committed";
  return { directory: root, name: `${describe(root, "HEAD")}${changes}`, commit: git("rev-parse", "HEAD") };
}

/**
 * Another commit beside this one: a worktree under `build/base` with the packages that the commit itself locks. One that is
 * there already is used again; `make tidy` removes it.
 *
 * @param revision - anything that git takes for a commit.
 * @throws Error when there is no such commit, its packages can't be installed, or the worktree there is not what was committed
 */
export function checkOut(revision: string, root = ROOT): Checkout {
  const commit = commitOf(revision, root);
  const directory = join(root, "build/base", commit);
  if (!existsSync(directory)) {
    // Forced: git still knows a worktree whose folder was removed by other means.
    gitIn(root)("worktree", "add", "--force", "--detach", "--quiet", directory, commit);
  }
  const git = gitIn(directory);
  if (git("rev-parse", "HEAD") !== commit || git("status", "--porcelain") !== "") {
    throw new Error(`${directory} is not ${commit} as it was committed; \`make tidy\` removes it`);
  }
  // npm writes this file last, so it says that an install was completed.
  if (!existsSync(join(directory, "node_modules/.package-lock.json"))) {
    execFileSync("npm", ["ci", "--ignore-scripts", "--loglevel=error"], {
      cwd: directory,
      // Standard output is the benchmark's.
      stdio: ["ignore", "ignore", "inherit"],
    });
  }
  return { directory, name: describe(root, commit), commit };
}

/**
 * The daemon of the package that a checkout makes, as npm would install it.
 *
 * @returns its path.
 */
export function packedDaemon(directory: string): string {
  execFileSync(process.execPath, [join(directory, "scripts/pack.ts")], {
    cwd: directory,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const folder = join(directory, "dist/stint");
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    readonly bin: { readonly stintd: string };
  };
  const program = join(folder, manifest.bin.stintd);
  chmodSync(program, 0o755);
  return program;
}

function commitOf(revision: string, root: string): string {
  try {
    return gitIn(root)("rev-parse", "--verify", "--quiet", `${revision}^{commit}`);
  } catch (cause) {
    throw new Error(`${revision}: no such commit`, { cause });
  }
}

const describe = (root: string, commit: string) => gitIn(root)("log", "-1", "--format=%h %s", commit);

const gitIn =
  (directory: string) =>
  (...args: readonly string[]) =>
    execFileSync("git", args, { cwd: directory, encoding: "utf8" }).trim();
