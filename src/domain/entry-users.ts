import { groupIdsOf, type LocalAccounts } from "./local-accounts.ts";
import { kindOf, namesNode, nodeIn, type Selector } from "./selector.ts";

/** A user as the kernel has it: the broker's own. */
export type KernelUser = { readonly uid: number; readonly gids: readonly number[] };

/** Whom selectors mean: users and groups by their ids; a name without an id here stands for itself. */
type Meaning = { readonly users: ReadonlySet<string>; readonly groups: ReadonlySet<string> };

const USERS = new Set(["unix:uid", "unix:user"]);
const GROUPS = new Set(["unix:gid", "unix:group", "unix:supplementary_gid"]);

/**
 * Whether one user may match the selectors of two entries, so that the kernel could not tell the two apart. Compared is
 * what selectors mean, not how they are written: `unix:user:alice` is `unix:uid:1000`, and a group is its members.
 *
 * Selectors that name neither users nor groups share nobody: these are warned of where they are declared.
 */
export function mayShareUser(a: readonly Selector[], b: readonly Selector[], accounts: LocalAccounts): boolean {
  // Users of different machines are different users, whatever their numbers.
  if (nodeIn(a) !== nodeIn(b)) return false;
  return areShared(meaningOf(a, accounts), meaningOf(b, accounts), accounts);
}

/** Whether this user may match the selectors. */
export function mayBeUser(selectors: readonly Selector[], user: KernelUser, accounts: LocalAccounts): boolean {
  if (namesNode(selectors)) return false;
  const known = groupIdsOf(user.uid, accounts);
  const groups = new Set([...user.gids, ...known].map(String));
  return areShared(meaningOf(selectors, accounts), { users: new Set([String(user.uid)]), groups }, accounts);
}

function areShared(a: Meaning, b: Meaning, accounts: LocalAccounts): boolean {
  if (a.users.size > 0 && b.users.size > 0) return shareOne(a.users, b.users);
  if (a.users.size === 0 && a.groups.size === 0) return false;
  if (b.users.size === 0 && b.groups.size === 0) return false;
  // At least one names groups alone: it is whoever is in all of them.
  const [byGroups, other] = a.users.size === 0 ? [a, b] : [b, a];
  if (areAllIn(byGroups.groups, other.groups)) return true;
  if (other.users.size === 0 && areAllIn(other.groups, byGroups.groups)) return true;
  const members = membersOf(byGroups, accounts);
  return shareOne(members, other.users.size > 0 ? other.users : membersOf(other, accounts));
}

function meaningOf(selectors: readonly Selector[], accounts: LocalAccounts): Meaning {
  const users = selectors.filter((one) => USERS.has(kindOf(one)));
  const groups = selectors.filter((one) => GROUPS.has(kindOf(one)));
  return {
    users: new Set(users.flatMap((one) => idsOf(one, "unix:user", namedUsers(accounts)))),
    groups: new Set(groups.flatMap((one) => idsOf(one, "unix:group", namedGroups(accounts)))),
  };
}

type Named = readonly { readonly name: string; readonly id: number }[];

const namedUsers = ({ users }: LocalAccounts): Named => users.map(({ name, uid }) => ({ name, id: uid }));
const namedGroups = ({ groups }: LocalAccounts): Named => groups.map(({ name, gid }) => ({ name, id: gid }));

/** A name on several lines stands for the id of each. */
function idsOf(one: Selector, kindOfNames: string, named: Named): readonly string[] {
  const value = one.slice(kindOf(one).length + 1);
  if (kindOf(one) !== kindOfNames) return [value];
  const ids = named.filter(({ name }) => name === value).map(({ id }) => String(id));
  return ids.length === 0 ? [value] : ids;
}

/** The users that the files put into all groups of a meaning. */
function membersOf({ groups }: Meaning, accounts: LocalAccounts): ReadonlySet<string> {
  const members = accounts.users.filter(({ uid }) => areAllIn(groups, new Set(groupIdsOf(uid, accounts).map(String))));
  return new Set(members.map(({ uid }) => String(uid)));
}

const areAllIn = (some: ReadonlySet<string>, all: ReadonlySet<string>): boolean => [...some].every((id) => all.has(id));
const shareOne = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean => [...a].some((id) => b.has(id));
