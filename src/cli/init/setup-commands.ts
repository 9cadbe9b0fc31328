import type { LocalAccounts } from "../../domain/local-accounts.ts";
import { shellQuoted } from "../output/shell-quoted.ts";
import type { Plan } from "./plan.ts";

/** Where `stintd` looks if nothing else is said. */
const CONFIG_DEFAULT = "/etc/stint/stint.yaml";
const SOCKET_DIRECTORY_DEFAULT = "/run/stint";

/** What is on the machine already. */
export type Machine = { readonly accounts: LocalAccounts; readonly isThere: (path: string) => boolean };

/**
 * What root has to do before a broker can run by a plan: groups, users, directories and the file's place, of which only what is not
 * there. useradd(8), groupadd(8), usermod(8), install(1).
 *
 * @param configPath - absolute.
 */
export function setupCommands(plan: Plan, configPath: string, { accounts, isThere }: Machine): readonly string[] {
  const isUser = (name: string) => accounts.users.some((user) => user.name === name);
  const group = (name: string) => accounts.groups.find((one) => one.name === name);
  const { daemonUser, operatorGroup, dataDirectory, socketDirectory } = plan;

  const systemUser = (name: string, groups: string) =>
    isUser(name)
      ? []
      : [
          `useradd --system ${group(name) === undefined ? "--user-group" : `--gid ${name}`} ${groups}--no-create-home --shell /usr/sbin/nologin ${name}`,
        ];
  const member = (name: string) =>
    group(operatorGroup)?.members.includes(name) === true ? [] : [`usermod --append --groups ${operatorGroup} ${name}`];
  const ownDirectory = (path: string, mode: string) =>
    isThere(path) ? [] : [`install -d -o ${daemonUser} -g ${daemonUser} -m ${mode} ${shellQuoted(path)}`];

  return [
    ...(group(operatorGroup) === undefined ? [`groupadd --system ${operatorGroup}`] : []),
    // The daemon gives its operators' socket to the group, which only a member may.
    ...systemUser(daemonUser, `--groups ${operatorGroup} `),
    ...(isUser(daemonUser) ? member(daemonUser) : []),
    ...[plan.runtimeUser, ...plan.agentUsers, plan.serverUser].flatMap((name) => systemUser(name, "")),
    ...plan.operatorUsers.flatMap((name) => [
      ...(isUser(name) ? [] : [`useradd --create-home ${name}`]),
      ...member(name),
    ]),
    ...ownDirectory(dataDirectory, "0700"),
    ...ownDirectory(socketDirectory, "0755"),
    ...(configPath === CONFIG_DEFAULT ? [] : [`install -D -m 0644 ${shellQuoted(configPath)} ${CONFIG_DEFAULT}`]),
  ];
}

/** What is to be typed once that is done, each with what it is for. */
export function nextCommands(plan: Plan): readonly (readonly [command: string, why: string])[] {
  const [operator = ""] = plan.operatorUsers;
  const { socketDirectory, daemonUser } = plan;
  const socket =
    socketDirectory === SOCKET_DIRECTORY_DEFAULT
      ? ""
      : `--operator-socket ${shellQuoted(`${socketDirectory}/operator.sock`)} `;
  return [
    [`runuser -u ${daemonUser} -- stintd validate`, "whether the daemon is content with it"],
    [`runuser -u ${daemonUser} -- stintd run`, "in the foreground; as a service: docs/guides/operator.md"],
    ["stint doctor", "as root: what is wrong on this machine, and how to mend it"],
    [`runuser -u ${operator} -- stint ${socket}status`, "ready, or why not"],
  ];
}
