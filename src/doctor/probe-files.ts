import {
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  realpathSync,
  type Stats,
  statfsSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { DiskFacts } from "./disk.ts";
import type { PathFacts } from "./paths.ts";

/** What stands at a path, itself and not what a link leads to. */
export function pathFacts(path: string): PathFacts {
  return factsBy(lstatSync, path);
}

/** What a path leads to. */
export function targetFacts(path: string): PathFacts {
  return factsBy(statSync, path);
}

function factsBy(look: (path: string) => Stats, path: string): PathFacts {
  try {
    const stats = look(path);
    return { path, kind: kindOf(stats), uid: stats.uid, gid: stats.gid, mode: stats.mode & 0o7777 };
  } catch (thrown) {
    return { path, kind: codeOf(thrown) === "EACCES" ? "hidden" : "none", uid: -1, gid: -1, mode: 0 };
  }
}

function kindOf(stats: Stats): PathFacts["kind"] {
  if (stats.isDirectory()) return "directory";
  if (stats.isFile()) return "file";
  if (stats.isSocket()) return "socket";
  return stats.isSymbolicLink() ? "link" : "other";
}

/** The directories above a path as they really are, the topmost first, as far down as they are there. */
export function directoriesAbove(path: string): readonly PathFacts[] {
  const way: PathFacts[] = [];
  for (let at = thereOf(dirname(path)); ; at = dirname(at)) {
    way.unshift(targetFacts(at));
    if (at === dirname(at)) return way;
  }
}

/** The path, or what is there of the way to it; without links. */
function thereOf(path: string): string {
  for (let at = path; ; at = dirname(at)) {
    try {
      return realpathSync(at);
    } catch {
      if (at === dirname(at)) return at;
    }
  }
}

/** What is in a directory and in the directories of it; `undefined` where that can't be seen. */
export function contentOf(directory: string): readonly PathFacts[] | undefined {
  try {
    return readdirSync(directory).flatMap((name) => {
      const found = pathFacts(join(directory, name));
      if (found.kind !== "directory") return [found];
      return [found, ...readdirSync(found.path).map((below) => pathFacts(join(found.path, below)))];
    });
  } catch {
    return undefined;
  }
}

/** The file system that a path is on, or will be. */
export function diskOf(path: string): Pick<DiskFacts, "path" | "freeBytes" | "freeInodes" | "inodes" | "fsync"> {
  const at = thereOf(path);
  const { bavail, bsize, ffree, files } = statfsSync(at);
  return { path: at, freeBytes: bavail * bsize, freeInodes: ffree, inodes: files, fsync: whyNoFsync(at) };
}

/** Nothing is written: a directory can be made durable as it is. */
function whyNoFsync(directory: string): string | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    // For another user to try.
    return undefined;
  }
  try {
    fsyncSync(descriptor);
    return undefined;
  } catch (thrown) {
    return codeOf(thrown);
  } finally {
    closeSync(descriptor);
  }
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unknown";
}
