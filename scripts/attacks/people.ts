import { copyFileSync, linkSync, mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import type { RunAs } from "../demo/start-actor.ts";
import { chooseUsers } from "../demo/users.ts";

const ROLES = ["broker", "agent", "subAgent", "desk", "billing", "notes", "guard", "attacker"] as const;
export type Role = (typeof ROLES)[number];

/** Who runs something, and how entries of the broker tell them from others. */
export type Person = RunAs & { readonly selectors: readonly string[] };
export type People = { readonly [Of in Role | "operator"]: Person };

/**
 * One user a role where this may become other users. Where it may not, one program a role: a copy of Node.js at a place of its own, by which the
 * kernel tells apart what one user runs.
 *
 * @param directory - others may look into it.
 */
export function choosePeople(directory: string): { readonly people: People; readonly users: number } {
  const own = process.getuid?.() ?? 0;
  const users = chooseUsers(ROLES);
  const isSeparate = users.broker !== undefined;
  const personOf = isSeparate ? byUser : byProgram(join(directory, "programs"), own);
  function byUser(role: Role): Person {
    const user = users[role];
    return { user, selectors: [`unix:uid:${user}`] };
  }
  const roles = Object.fromEntries(ROLES.map((role) => [role, personOf(role)])) as { readonly [Of in Role]: Person };
  const here = isSeparate ? [] : [`unix:path:${realpathSync(process.execPath)}`];
  const operator = { selectors: [`unix:uid:${own}`, ...here] };
  return { people: { ...roles, operator }, users: isSeparate ? ROLES.length + 1 : 1 };
}

function byProgram(directory: string, own: number): (role: Role) => Person {
  mkdirSync(directory);
  const copy = join(directory, "node");
  copyFileSync(process.execPath, copy);
  return (role) => {
    const program = join(directory, role);
    linkSync(copy, program);
    return { program, selectors: [`unix:uid:${own}`, `unix:path:${program}`] };
  };
}
