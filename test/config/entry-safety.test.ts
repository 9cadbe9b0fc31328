import { chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadConfig } from "../../src/config/load-config.ts";
import { readLocalAccounts } from "../../src/config/local-accounts.ts";
import { groupIdOf, groupIdsOf } from "../../src/domain/local-accounts.ts";
import { configFile, findingsOf, LEAST, load, OPTIONS, warningsOf } from "./config-files.ts";

const entry = (kind: string, name: string, selectors: readonly string[]): string =>
  `  - {kind: ${kind}, name: ${name}, selectors: ${JSON.stringify(selectors)}${
    { agent: "", runtime: ", agents: [a]", verifier: ", audiences: [urn:a:b]", operator: ", role: viewer" }[kind] ?? ""
  }}\n`;
const PROGRAM = "unix:path:/opt/agent/bin/agent";
const place = (line: number): string => `stint.yaml:${line}:`;

// The broker of these tests runs as uid 900, which is the user `stint`; `admin` is 1000, `agent` 1001. The first two are
// in the group `operators`, 500, and the group 100 is that of `admin`.
test.for([
  { whose: "the broker's", agent: ["unix:uid:900", PROGRAM], operator: [] },
  { whose: "the broker's", agent: ["unix:user:stint", PROGRAM], operator: [] },
  { whose: "the broker's", agent: ["unix:gid:5", "unix:uid:900"], operator: [] },
  { whose: "an operator's", agent: ["unix:uid:1000", PROGRAM], operator: ["unix:uid:1000"] },
  { whose: "an operator's", agent: ["unix:user:admin", PROGRAM], operator: ["unix:uid:1000"] },
  { whose: "an operator's", agent: ["unix:uid:1000", PROGRAM], operator: ["unix:user:admin"] },
  { whose: "an operator's", agent: ["unix:user:in-ldap", PROGRAM], operator: ["unix:user:in-ldap"] },
  { whose: "the broker's", agent: ["unix:gid:900", PROGRAM], operator: [] },
  { whose: "the broker's", agent: ["unix:supplementary_gid:500"], operator: [] },
  { whose: "the broker's", agent: ["unix:group:stint", "unix:supplementary_gid:500"], operator: [] },
  { whose: "an operator's", agent: ["unix:gid:100"], operator: ["unix:user:admin"] },
  { whose: "an operator's", agent: ["unix:user:agent"], operator: ["unix:group:agents"] },
  { whose: "an operator's", agent: ["unix:uid:1001", PROGRAM], operator: ["unix:supplementary_gid:600"] },
  { whose: "an operator's", agent: ["unix:gid:77"], operator: ["unix:gid:77", "unix:uid:1000"] },
  { whose: "an operator's", agent: ["unix:gid:1001"], operator: ["unix:supplementary_gid:600"] },
  { whose: "an operator's", agent: ["unix:group:in-ldap"], operator: ["unix:group:in-ldap"] },
])("refuses an agent under $whose user: $agent beside $operator", ({ whose, agent, operator }) => {
  const text = `${LEAST}entries:\n${operator.length > 0 ? entry("operator", "o", operator) : ""}${entry("agent", "a", agent)}`;
  const index = operator.length > 0 ? 1 : 0;
  expect(findingsOf(text)).toEqual([
    expect.stringMatching(
      new RegExp(
        `^stint\\.yaml:${4 + index}:\\d+: entries\\[${index}\\]\\.selectors: expected an agent under a user of its own, not ${whose}`,
      ),
    ),
  ]);
});

test("an agent under a user of its own is taken, and so is a runtime under the broker's", () => {
  const text = `${LEAST}entries:\n${entry("operator", "o", ["unix:uid:1000"])}${entry("agent", "a", ["unix:user:agent", PROGRAM])}${entry("runtime", "r", ["unix:uid:900", PROGRAM])}`;
  expect(findingsOf(text)).toEqual([]);
  expect(warningsOf(text)).toEqual([]);
});

test("in development everything may be one user's", () => {
  const text = `trust_domain: stint-dev.invalid\nissuer: https://stint.example.org\ndevelopment: true\nentries:\n${entry("agent", "a", ["unix:uid:900", PROGRAM])}`;
  expect(load(text).entries).toHaveLength(1);
});

test.for([
  { kind: "agent", selectors: ["unix:uid:1001"], warning: "every program of these users matches" },
  { kind: "runtime", selectors: ["unix:user:agent", "unix:gid:7"], warning: "every program of these users matches" },
  { kind: "verifier", selectors: ["unix:supplementary_gid:7"], warning: "every program of these users matches" },
  ...["/usr/bin/node", "/usr/bin/python3", "/usr/bin/python3.11", "/bin/sh", "/usr/bin/bash", "/opt/jdk/bin/java"].map(
    (path) => ({
      kind: "agent",
      selectors: ["unix:uid:1001", `unix:path:${path}`],
      warning: "this program runs any script",
    }),
  ),
  { kind: "agent", selectors: [PROGRAM], warning: "this program matches under every user" },
])("warns of a $kind that is only $selectors", ({ kind, selectors, warning }) => {
  const text = `${LEAST}entries:\n${entry(kind, "a", selectors)}`;
  const warnings = warningsOf(text);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]?.startsWith(place(4))).toBe(true);
  expect(warnings[0]).toContain(`entries[0].selectors: ${warning}`);
});

test.for([
  { kind: "agent", selectors: ["unix:uid:1001", PROGRAM] },
  { kind: "agent", selectors: ["unix:uid:1001", "unix:path:/usr/bin/nodetool"] },
  { kind: "runtime", selectors: ["unix:uid:1001", `unix:sha256:${"0".repeat(64)}`] },
  { kind: "operator", selectors: ["unix:uid:1000"] },
  { kind: "runtime", selectors: ["systemd:unit:flow.service"] },
])("has nothing to say of a $kind that is $selectors", ({ kind, selectors }) => {
  expect(warningsOf(`${LEAST}entries:\n${entry(kind, "a", selectors)}`)).toEqual([]);
});

test.for([
  { agent: ["unix:gid:600"], operator: ["unix:uid:1000"] },
  { agent: ["unix:uid:1001", "unix:gid:100"], operator: ["unix:uid:1000", "unix:gid:100"] },
  { agent: ["unix:gid:600", "unix:supplementary_gid:100"], operator: ["unix:user:admin"] },
  { agent: ["unix:gid:600", "unix:gid:7"], operator: ["unix:gid:600", "unix:gid:8"] },
  { agent: ["unix:group:no-such-group"], operator: ["unix:supplementary_gid:500"] },
  { agent: ["unix:uid:1001"], operator: ["unix:path:/opt/ops"] },
])("takes an agent that is $agent beside an operator that is $operator", ({ agent, operator }) => {
  expect(findingsOf(`${LEAST}entries:\n${entry("operator", "o", operator)}${entry("agent", "a", agent)}`)).toEqual([]);
});

test("the broker's user is the owner of the data directory, whoever looks at the configuration", () => {
  const directory = mkdtempSync(join(tmpdir(), "stint-data-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const own = process.geteuid?.() ?? -1;
  const { accounts } = OPTIONS;
  const foundIn = (content: string): string => {
    try {
      loadConfig(configFile(content), {}, accounts === undefined ? {} : { accounts });
      return "";
    } catch (thrown) {
      return String(thrown);
    }
  };
  const text = `${LEAST}data_directory: ${directory}\nentries:\n${entry("agent", "a", [`unix:uid:${own}`, PROGRAM])}`;
  expect(foundIn(text)).toContain("not the broker's");
  if (own !== 0) return;
  chownSync(directory, 4_321, 4_321);
  expect(foundIn(text)).toBe("");
});

test("accounts are read where the machine keeps them; the first line of a group counts, a broken one does not", () => {
  const directory = mkdtempSync(join(tmpdir(), "stint-names-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const users = join(directory, "passwd");
  const groups = join(directory, "group");
  writeFileSync(users, "root:x:0:0::/root:/bin/sh\nbroken\n:x:3\nodd:x:-1\nagent:x:1001:1002\n");
  writeFileSync(groups, "operators:x:500:agent,bob\noperators:x:501:\nnone:x:\n");
  const accounts = readLocalAccounts({ users, groups });
  expect(accounts.users).toEqual([
    { name: "root", uid: 0, gid: 0 },
    { name: "agent", uid: 1001, gid: 1002 },
  ]);
  expect(groupIdOf("operators", accounts)).toBe(500);
  expect(groupIdOf("none", accounts)).toBeUndefined();
  expect(groupIdsOf(1001, accounts)).toEqual([1002, 500]);
  expect(readLocalAccounts({ users: join(directory, "none"), groups }).users).toEqual([]);
});
