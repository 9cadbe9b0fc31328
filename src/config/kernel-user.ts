import type { KernelUser } from "../domain/entry-users.ts";

/** The user of this process, with its groups. */
export function kernelUser(): KernelUser {
  const [uid, gid] = [process.geteuid?.(), process.getegid?.()];
  if (uid === undefined || gid === undefined) throw new TypeError("the broker runs where users have ids");
  return { uid, gids: [gid, ...(process.getgroups?.() ?? [])] };
}
