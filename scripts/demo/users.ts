import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Under which user each role runs; nothing given: under this process's own. */
export type Users<Role extends string> = { readonly [Of in Role]?: number };

/** Ids that no account has on an ordinary system. The kernel needs no account to tell them apart. */
const FIRST = 64_100;

/** One user a role where this may become other users and those can read the checkout; one for all otherwise. */
export function chooseUsers<const Role extends string>(roles: readonly Role[]): Users<Role> {
  const separate = Object.fromEntries(roles.map((role, index) => [role, FIRST + index])) as { [Of in Role]: number };
  return process.getuid?.() === 0 && canRun(FIRST) ? separate : {};
}

function canRun(uid: number): boolean {
  const look = ["--eval", "require('node:fs').accessSync(process.argv[1], 4)", fileURLToPath(import.meta.url)];
  return spawnSync(process.execPath, look, { uid, gid: uid, stdio: "ignore" }).status === 0;
}
