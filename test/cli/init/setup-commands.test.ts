import { expect, test } from "vitest";
import { nextCommands, setupCommands } from "../../../src/cli/init/setup-commands.ts";

const PLAN = {
  trustDomain: "shop.example",
  issuer: "https://stint.shop.example:8443",
  daemonUser: "stint",
  runtimeUser: "agent-runtime",
  agentUsers: ["buyer"],
  serverUser: "mcp-server",
  serverUrl: "https://mcp.shop.example/mcp",
  operatorUsers: ["olga", "oskar"],
  operatorGroup: "stint-operators",
  dataDirectory: "/var/lib/stint",
  socketDirectory: "/run/stint",
};
const NOTHING = { accounts: { users: [], groups: [] }, isThere: () => false };

test("a machine that has nothing gets groups, users, directories and the file, in an order that works", () => {
  expect(setupCommands(PLAN, "/home/olga/my config.yaml", NOTHING)).toEqual([
    "groupadd --system stint-operators",
    "useradd --system --user-group --groups stint-operators --no-create-home --shell /usr/sbin/nologin stint",
    "useradd --system --user-group --no-create-home --shell /usr/sbin/nologin agent-runtime",
    "useradd --system --user-group --no-create-home --shell /usr/sbin/nologin buyer",
    "useradd --system --user-group --no-create-home --shell /usr/sbin/nologin mcp-server",
    "useradd --create-home olga",
    "usermod --append --groups stint-operators olga",
    "useradd --create-home oskar",
    "usermod --append --groups stint-operators oskar",
    "install -d -o stint -g stint -m 0700 /var/lib/stint",
    "install -d -o stint -g stint -m 0755 /run/stint",
    "install -D -m 0644 '/home/olga/my config.yaml' /etc/stint/stint.yaml",
  ]);
});

test("what is there already is left alone, and a group of a user's name is that user's", () => {
  const user = (name: string) => ({ name, uid: 1, gid: 1 });
  const accounts = {
    users: ["stint", "agent-runtime", "olga"].map(user),
    groups: [
      { name: "stint-operators", gid: 2, members: ["olga"] },
      { name: "buyer", gid: 3, members: [] },
    ],
  };
  const isThere = (path: string) => path === "/run/stint";
  expect(setupCommands({ ...PLAN, operatorUsers: ["olga"] }, "/etc/stint/stint.yaml", { accounts, isThere })).toEqual([
    "usermod --append --groups stint-operators stint",
    "useradd --system --gid buyer --no-create-home --shell /usr/sbin/nologin buyer",
    "useradd --system --user-group --no-create-home --shell /usr/sbin/nologin mcp-server",
    "install -d -o stint -g stint -m 0700 /var/lib/stint",
  ]);
});

test("an operator is told the socket where it is not the usual one", () => {
  const [, , , [usual] = [""]] = nextCommands(PLAN);
  expect(usual).toBe("runuser -u olga -- stint status");
  const [, , , [other] = [""]] = nextCommands({ ...PLAN, socketDirectory: "/srv/s" });
  expect(other).toBe("runuser -u olga -- stint --operator-socket /srv/s/operator.sock status");
});
