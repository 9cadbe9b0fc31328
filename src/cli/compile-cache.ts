import { lstatSync, mkdirSync, realpathSync } from "node:fs";
// Whole: an old Node.js, which is told so a moment later, would end at a name that it does not have.
import * as nodeModule from "node:module";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";

/** Bits of a mode. */
const OTHERS = 0o077;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
const ROOT_UID = 0;

/**
 * Has what this process compiles kept, and what an earlier one kept used, which halves the time that a program takes to load. What is kept
 * is code that runs, so it lies where nobody but this user and root can write: `stint/compiled` below `XDG_CACHE_HOME` or `~/.cache`. Where no such
 * directory can be had, nothing is kept, and nothing is said. Node.js's own variables are heeded: `NODE_DISABLE_COMPILE_CACHE`, and
 * `NODE_COMPILE_CACHE` for a directory of one's own.
 *
 * @returns the directory, if this function has something kept there.
 */
export function keepCompiled(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  if ("NODE_DISABLE_COMPILE_CACHE" in environment || "NODE_COMPILE_CACHE" in environment) return undefined;
  try {
    const directory = ownDirectory(cacheHome(environment));
    if (directory !== undefined) nodeModule.enableCompileCache(directory);
    return directory;
  } catch {
    // No home, or one that is read-only: a program that loads slowly serves its purpose all the same.
    return undefined;
  }
}

/** XDG Base Directory Specification: a path that is not absolute is to be ignored. */
function cacheHome(environment: NodeJS.ProcessEnv): string {
  const named = environment["XDG_CACHE_HOME"] ?? "";
  return isAbsolute(named) ? named : join(environment["HOME"] ?? homedir(), ".cache");
}

/** The directory below `home`, made where it was not there; `undefined` where others could change what is in it. */
function ownDirectory(home: string): string | undefined {
  makeDirectory(home);
  // Links above are looked at by what they lead to, each part of which is then looked at by itself.
  const parent = join(realpathSync(home), "stint");
  const directory = join(parent, "compiled");
  // Before anything is made: below a directory of somebody else, what is made would be theirs to move.
  if (!pathTo(dirname(parent)).every(isOursToTrust)) return undefined;
  makeDirectory(parent);
  makeDirectory(directory);
  return isOursToTrust(parent) && isOursAlone(directory) ? directory : undefined;
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EEXIST") throw thrown;
  }
}

/** A path, and all that lead to it. */
function pathTo(path: string): readonly string[] {
  const above = dirname(path);
  return above === path ? [path] : [path, ...pathTo(above)];
}

/** Nobody else can put another directory, or a link, into the place of what is in this one, once that is ours or root's. */
function isOursToTrust(path: string): boolean {
  const stats = lstatSync(path);
  const isOwned = stats.uid === ownUid() || stats.uid === ROOT_UID;
  return stats.isDirectory() && isOwned && ((stats.mode & OTHERS_WRITE) === 0 || (stats.mode & STICKY) !== 0);
}

function isOursAlone(path: string): boolean {
  const stats = lstatSync(path);
  return stats.isDirectory() && stats.uid === ownUid() && (stats.mode & OTHERS) === 0;
}

/** Files are made under the effective user. */
function ownUid(): number | undefined {
  return process.geteuid?.();
}
