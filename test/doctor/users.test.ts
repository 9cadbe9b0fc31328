import { describe, expect, test } from "vitest";
import type { Diagnosis } from "../../src/doctor/diagnosis.ts";
import { checkUsers, type UserFacts, userOf } from "../../src/doctor/users.ts";
import { parseEntryContent } from "../../src/domain/entry-content.ts";

const shown = (found: readonly Diagnosis[]) => found.map(({ severity, what }) => `${severity}: ${what}`);

const accounts = {
  users: [
    { name: "root", uid: 0, gid: 0 },
    { name: "stint", uid: 900, gid: 900 },
    { name: "flow", uid: 901, gid: 901 },
    { name: "reader", uid: 902, gid: 902 },
    { name: "olga", uid: 1_000, gid: 1_000 },
  ],
  groups: [{ name: "stint-operators", gid: 500, members: ["stint", "olga"] }],
};
const runtime = (selector: string) =>
  parseEntryContent({ kind: "runtime", name: "flow", selectors: [selector], agents: ["reader"] });
const agent = (selector: string) => parseEntryContent({ kind: "agent", name: "reader", selectors: [selector] });
const verifier = (selector: string) =>
  parseEntryContent({ kind: "verifier", name: "library", selectors: [selector], audiences: ["https://mcp.example"] });
const operator = (selector: string) =>
  parseEntryContent({ kind: "operator", name: "olga", selectors: [selector], role: "admin" });

const fit: UserFacts = {
  accounts,
  entries: [runtime("unix:user:flow"), agent("unix:user:reader"), operator("unix:user:olga")],
  development: false,
  daemon: userOf(900, accounts),
  operatorGroup: "stint-operators",
};

describe("users", () => {
  test.for<{ name: string; facts: Partial<UserFacts>; says: readonly string[] }>([
    { name: "of whom each role has one", facts: {}, says: ["ok: 3 entries, each of a user of its own that is there"] },
    {
      name: "whom nobody has made",
      facts: { entries: [agent("unix:user:ghost"), verifier("unix:group:ghosts")], operatorGroup: "nobody-here" },
      says: [
        "error: there is no group nobody-here, which operator.group names",
        "error: there is no group ghosts, which verifier/library names",
        "error: there is no user ghost, whom agent/reader names",
      ],
    },
    {
      name: "of whom an agent has its runtime's",
      facts: { entries: [runtime("unix:user:flow"), agent("unix:uid:901")] },
      says: ["warning: runtime/flow and agent/reader may be one user"],
    },
    {
      name: "of whom an agent has its runtime's, in development",
      facts: { entries: [runtime("unix:user:flow"), agent("unix:uid:901")], development: true },
      says: ["ok: 2 entries, each of a user of its own that is there"],
    },
    {
      name: "of whom a verifier has the broker's",
      facts: { entries: [verifier("unix:user:stint")] },
      says: ["warning: verifier/library is under the broker's user stint"],
    },
    {
      name: "of whom a runtime is root",
      facts: { entries: [runtime("unix:uid:0")] },
      says: ["warning: runtime/flow may be root"],
    },
    {
      name: "of whom the broker's is root",
      facts: { daemon: userOf(0, accounts) },
      says: ["warning: the broker runs as root, to whom its data directory belongs"],
    },
    {
      name: "of whom the broker has none",
      facts: { daemon: undefined },
      says: ["warning: there is no user stint for the daemon, and no data directory of another"],
    },
    {
      name: "of whom an operator is in no group that may connect",
      facts: { accounts: { ...accounts, groups: [{ name: "stint-operators", gid: 500, members: ["stint"] }] } },
      says: ["error: operator olga is not in the group stint-operators"],
    },
    {
      name: "of whom the broker's is not in its operators' group",
      facts: { accounts: { ...accounts, groups: [{ name: "stint-operators", gid: 500, members: ["olga"] }] } },
      says: ["warning: the daemon's user stint is not in the group stint-operators"],
    },
    {
      name: "of whom an operator is to connect to a socket of the broker's user alone",
      facts: { operatorGroup: undefined },
      says: [
        "error: operator olga can't connect: without operator.group the operator socket is the daemon's user's alone",
      ],
    },
    {
      name: "of whom the operator is root, or the broker's own",
      facts: { entries: [operator("unix:user:root"), operator("unix:user:stint")], operatorGroup: undefined },
      says: ["ok: 2 entries, each of a user of its own that is there"],
    },
  ])("$name", ({ facts, says }) => {
    const found = checkUsers({ ...fit, ...facts });
    expect(shown(found)).toEqual(says);
    for (const { severity, why, mend } of found) expect([why, mend].includes(undefined)).toBe(severity === "ok");
  });

  test("a person is made with a home, a program's user without", () => {
    const entries = [operator("unix:user:anna"), agent("unix:user:ghost")];
    expect(checkUsers({ ...fit, entries }).map(({ mend }) => mend?.split(",")[0])).toEqual([
      "useradd --create-home anna",
      "useradd --system --user-group --no-create-home --shell /usr/sbin/nologin ghost",
    ]);
  });
});
