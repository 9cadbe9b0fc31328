/** The users and groups that this machine's files name, in the order of the files. Plain data: it travels with acts. */
export type LocalAccounts = {
  readonly users: readonly { readonly name: string; readonly uid: number; readonly gid: number }[];
  readonly groups: readonly { readonly name: string; readonly gid: number; readonly members: readonly string[] }[];
};

/** The first line of a name counts, as in the C library. */
export function groupIdOf(name: string, { groups }: LocalAccounts): number | undefined {
  return groups.find((group) => group.name === name)?.gid;
}

/** The ids of all groups that the files put a user into. */
export function groupIdsOf(uid: number, { users, groups }: LocalAccounts): readonly number[] {
  const own = users.filter((user) => user.uid === uid);
  const names = new Set(own.map(({ name }) => name));
  return [
    ...own.map(({ gid }) => gid),
    ...groups.filter(({ members }) => members.some((name) => names.has(name))).map(({ gid }) => gid),
  ];
}
