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

/** Ids that no file gives: the last ones are the kernel's own. */
const MADE_UP_ID = 0xfff0_0000;

/** The same files, as if they named these users and groups too: each that is not there gets an id of its own. */
export function withAccounts(
  { users, groups }: LocalAccounts,
  named: { readonly users: readonly string[]; readonly groups: readonly string[] },
): LocalAccounts {
  const missing = (names: readonly string[], known: readonly { readonly name: string }[]) =>
    [...new Set(names)].filter((name) => !known.some((one) => one.name === name));
  const [newUsers, newGroups] = [missing(named.users, users), missing(named.groups, groups)];
  return {
    users: [
      ...users,
      ...newUsers.map((name, index) => ({ name, uid: MADE_UP_ID + index, gid: MADE_UP_ID + newGroups.length + index })),
    ],
    groups: [...groups, ...newGroups.map((name, index) => ({ name, gid: MADE_UP_ID + index, members: [] }))],
  };
}
