import { mayBeUser, mayShareUser } from "../domain/entry-users.ts";
import { groupIdsOf, type LocalAccounts } from "../domain/local-accounts.ts";
import type { EntryContent } from "../domain/registration-entry.ts";
import { kindOf, namesNode } from "../domain/selector.ts";
import { type Diagnosis, error, ok, warning } from "./diagnosis.ts";

/** A user of this machine, with its groups; without a name where /etc/passwd has none for it. */
export type User = { readonly uid: number; readonly gids: readonly number[]; readonly name?: string };

export function userText({ uid, name }: User): string {
  return name ?? String(uid);
}

/** A user as the files have it. */
export function userOf(uid: number, accounts: LocalAccounts): User {
  const name = accounts.users.find((user) => user.uid === uid)?.name;
  return { uid, gids: groupIdsOf(uid, accounts), ...(name !== undefined && { name }) };
}

const ROOT = 0;
const AS_ROOT = { uid: ROOT, gids: [ROOT] };
const USER_DEFAULT = "stint";

export type UserFacts = {
  readonly accounts: LocalAccounts;
  readonly entries: readonly EntryContent[];
  readonly development: boolean;
  readonly daemon: User | undefined;
  /** `operator.group` as it is written; `undefined` without one. */
  readonly operatorGroup: string | number | undefined;
};

/** Whether each role is a user of its own that is there, and who may connect where it has to. */
export function checkUsers(facts: UserFacts): readonly Diagnosis[] {
  const found = [...ofNames(facts), ...ofDaemon(facts), ...ofOperators(facts), ...ofSharing(facts)];
  const roles = facts.entries.length;
  return found.length > 0 ? found : [ok("users", `${roles} entries, each of a user of its own that is there`)];
}

/** Names are looked up in the same files by the broker: without a line there, no process has the name. */
function ofNames({ accounts, entries, operatorGroup }: UserFacts): readonly Diagnosis[] {
  const here = entries.filter(({ selectors }) => !namesNode(selectors));
  const groups = new Map(here.flatMap((entry) => namedBy(entry, "unix:group")));
  const users = new Map(here.flatMap((entry) => namedBy(entry, "unix:user")));
  const found: Diagnosis[] = [];
  const isGroup = (name: string) => accounts.groups.some((group) => group.name === name);
  if (typeof operatorGroup === "string" && !/^[0-9]+$/.test(operatorGroup) && !isGroup(operatorGroup)) {
    const what = `there is no group ${operatorGroup}, which operator.group names`;
    found.push(error("users", { what, why: "stintd does not start", mend: groupCommand(operatorGroup) }));
  }
  for (const [name, by] of groups) {
    if (isGroup(name)) continue;
    const what = `there is no group ${name}, which ${nameOf(by)} names`;
    found.push(error("users", { what, why: "nobody is that entry", mend: groupCommand(name) }));
  }
  for (const [name, by] of users) {
    if (accounts.users.some((user) => user.name === name)) continue;
    const command = by.kind === "operator" ? `useradd --create-home ${name}` : systemUserCommand(name);
    const mend = `${command}, or unix:uid where only a directory service knows the user`;
    const what = `there is no user ${name}, whom ${nameOf(by)} names`;
    found.push(error("users", { what, why: "nobody is that entry", mend }));
  }
  return found;
}

function namedBy(entry: EntryContent, kind: string): readonly (readonly [name: string, by: EntryContent])[] {
  return entry.selectors.filter((one) => kindOf(one) === kind).map((one) => [one.slice(kind.length + 1), entry]);
}

function groupCommand(name: string): string {
  return `groupadd --system ${name}, or its id where only a directory service knows the group`;
}

function systemUserCommand(name: string, groups = ""): string {
  return `useradd --system --user-group ${groups}--no-create-home --shell /usr/sbin/nologin ${name}`;
}

function ofDaemon({ daemon, development, operatorGroup }: UserFacts): readonly Diagnosis[] {
  if (daemon === undefined) {
    const groups = operatorGroup === undefined ? "" : `--groups ${operatorGroup} `;
    const mend = systemUserCommand(USER_DEFAULT, groups);
    const why = "stintd would have to run as root";
    return [
      warning("users", {
        what: `there is no user ${USER_DEFAULT} for the daemon, and no data directory of another`,
        why,
        mend,
      }),
    ];
  }
  if (daemon.uid !== ROOT || development) return [];
  const why = "whoever finds a fault in the broker has the machine, and not only the broker";
  const mend = `useradd --system ${USER_DEFAULT}, chown -R ${USER_DEFAULT}: of data_directory, and User=${USER_DEFAULT} in its unit`;
  return [warning("users", { what: "the broker runs as root, to whom its data directory belongs", why, mend })];
}

/** The socket of operators is the daemon's, or its group's. */
function ofOperators({ accounts, entries, daemon, operatorGroup }: UserFacts): readonly Diagnosis[] {
  const users = entries
    .filter(({ kind }) => kind === "operator")
    .flatMap((entry) => namedBy(entry, "unix:user"))
    .flatMap(([name]) => accounts.users.find((user) => user.name === name) ?? [])
    .filter(({ uid }) => uid !== daemon?.uid && uid !== ROOT);
  if (operatorGroup === undefined) {
    return users.map(({ name }) =>
      error("users", {
        what: `operator ${name} can't connect: without operator.group the operator socket is the daemon's user's alone`,
        why: `${name} can do nothing at the broker`,
        mend: "operator: { group: stint-operators } in the configuration, and the daemon and its operators in that group",
      }),
    );
  }
  const group = accounts.groups.find(
    ({ name, gid }) => name === operatorGroup || String(gid) === String(operatorGroup),
  );
  if (group === undefined) return [];
  const outside = (uid: number) => !groupIdsOf(uid, accounts).includes(group.gid);
  const found = users
    .filter(({ uid }) => outside(uid))
    .map(({ name }) =>
      error("users", {
        what: `operator ${name} is not in the group ${group.name}`,
        why: `${name} can't connect to the operator socket`,
        mend: `usermod --append --groups ${group.name} ${name}, and log in anew`,
      }),
    );
  if (daemon === undefined || daemon.uid === ROOT || !outside(daemon.uid)) return found;
  const what = `the daemon's user ${userText(daemon)} is not in the group ${group.name}`;
  const why = "the operator socket can't be given to that group: stintd does not start";
  const mend = `usermod --append --groups ${group.name} ${userText(daemon)}, or SupplementaryGroups=${group.name} in its unit`;
  // A unit may say more than the files do.
  return [...found, warning("users", { what, why, mend })];
}

/** To the kernel two programs of one user look alike, and one reads the other's memory. */
function ofSharing({ accounts, entries, development, daemon }: UserFacts): readonly Diagnosis[] {
  if (development) return [];
  const roles = entries.filter(({ kind }) => kind !== "operator" && kind !== "node");
  return roles.flatMap((entry, index): readonly Diagnosis[] => {
    if (mayBeUser(entry.selectors, AS_ROOT, accounts)) {
      const why = "root can read the broker's keys, and be any other user";
      const mend = `a user of its own for ${nameOf(entry)}: selectors: ["unix:user:…"]`;
      return [warning("users", { what: `${nameOf(entry)} may be root`, why, mend })];
    }
    // The configuration is refused for an agent's.
    if (daemon !== undefined && entry.kind !== "agent" && mayBeUser(entry.selectors, daemon, accounts)) {
      const why = "whoever is under that user can read the broker's keys";
      const mend = `a user of its own for ${nameOf(entry)}: selectors: ["unix:user:…"]`;
      return [warning("users", { what: `${nameOf(entry)} is under the broker's user ${userText(daemon)}`, why, mend })];
    }
    const other = roles.slice(0, index).find((one) => mayShareUser(entry.selectors, one.selectors, accounts));
    if (other === undefined) return [];
    const why = "the kernel does not tell programs of one user apart: one can act as the other, and read its memory";
    const isOwnRuntime = entry.kind === "runtime" || other.kind === "runtime";
    const mend = `a user of its own for ${nameOf(entry)}${isOwnRuntime ? "; leave it where the runtime does the agent's steps in its own process" : ""}`;
    return [warning("users", { what: `${nameOf(other)} and ${nameOf(entry)} may be one user`, why, mend })];
  });
}

function nameOf({ kind, name }: EntryContent): string {
  return `${kind}/${name}`;
}
