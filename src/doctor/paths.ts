import type { User } from "./users.ts";

/** What stands at a path; `hidden` where nobody but others may look. */
export type PathFacts = {
  readonly path: string;
  readonly kind: "directory" | "file" | "socket" | "link" | "other" | "none" | "hidden";
  readonly uid: number;
  readonly gid: number;
  /** Permission bits, with the sticky one. */
  readonly mode: number;
};

const ROOT = 0;
const STICKY = 0o1000;
const WRITE_FOR_ALL = 0o002;
/** Bits of a mode, for its owner; shifted for the group and for others. */
export const READ = 4;
export const WRITE = 2;
const ENTER = 1;

/** Whether the kernel lets a user do this, by owner, group and mode. Access control lists are not looked at. */
export function mayAct(user: User, { uid, gid, mode }: Pick<PathFacts, "uid" | "gid" | "mode">, act: number): boolean {
  if (user.uid === ROOT) return true;
  if (user.uid === uid) return ((mode >> 6) & act) === act;
  return ((user.gids.includes(gid) ? mode >> 3 : mode) & act) === act;
}

/** The first directory on a way that a user can't go through. */
export function firstClosed(user: User, way: readonly PathFacts[]): PathFacts | undefined {
  return way.find((one) => one.kind === "directory" && !mayAct(user, one, ENTER));
}

/** Whether anybody may put something else in the place of what is in the directory. */
export function isOpenToAll({ kind, mode }: PathFacts): boolean {
  return kind === "directory" && (mode & WRITE_FOR_ALL) !== 0 && (mode & STICKY) === 0;
}

export function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}
