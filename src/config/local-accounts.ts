import { readFileSync } from "node:fs";
import type { LocalAccounts } from "../domain/local-accounts.ts";

const ID = /^[0-9]{1,10}$/;

/**
 * Reads users and groups from /etc/passwd and /etc/group. Those that only a directory service knows are not found: for
 * these the configuration has to say the number.
 *
 * @see passwd(5), group(5)
 */
export function readLocalAccounts(
  files: { readonly users: string; readonly groups: string } = { users: "/etc/passwd", groups: "/etc/group" },
): LocalAccounts {
  const users = fieldsIn(files.users).flatMap(([name = "", , uid = "", gid = ""]) =>
    name !== "" && ID.test(uid) ? [{ name, uid: Number(uid), gid: ID.test(gid) ? Number(gid) : Number(uid) }] : [],
  );
  const groups = fieldsIn(files.groups).flatMap(([name = "", , gid = "", members = ""]) =>
    name !== "" && ID.test(gid) ? [{ name, gid: Number(gid), members: members.split(",") }] : [],
  );
  return { users, groups };
}

function fieldsIn(file: string): readonly (readonly string[])[] {
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .map((line) => line.split(":"));
  } catch {
    // A container may have neither file; then no name has an id.
    return [];
  }
}
