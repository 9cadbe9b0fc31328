import { readFileSync } from "node:fs";

/** Ids of the users and groups that this machine's files name. */
export type SystemNames = {
  userId(name: string): number | undefined;
  groupId(name: string): number | undefined;
};

/**
 * Looks names up in /etc/passwd and /etc/group. Users and groups that only a directory service knows are not found: for
 * these the configuration has to say the number.
 */
export function systemNames(
  files: { readonly users: string; readonly groups: string } = { users: "/etc/passwd", groups: "/etc/group" },
): SystemNames {
  const users = idsByName(files.users);
  const groups = idsByName(files.groups);
  return { userId: (name) => users.get(name), groupId: (name) => groups.get(name) };
}

/** Both files have the name first and its id third. The first line of a name is the one that counts. */
function idsByName(file: string): ReadonlyMap<string, number> {
  const ids = new Map<string, number>();
  for (const line of linesOf(file)) {
    const [name, , id] = line.split(":");
    if (name === undefined || name === "" || id === undefined || !/^[0-9]{1,10}$/.test(id)) continue;
    if (!ids.has(name)) ids.set(name, Number(id));
  }
  return ids;
}

function linesOf(file: string): readonly string[] {
  try {
    return readFileSync(file, "utf8").split("\n");
  } catch {
    // A container may have neither file; then no name has an id.
    return [];
  }
}
