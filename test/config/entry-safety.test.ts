import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { systemNames } from "../../src/config/system-names.ts";
import { findingsOf, LEAST, load, warningsOf } from "./config-files.ts";

const entry = (kind: string, name: string, selectors: readonly string[]): string =>
  `  - {kind: ${kind}, name: ${name}, selectors: ${JSON.stringify(selectors)}${
    { agent: "", runtime: ", agents: [a]", verifier: ", audiences: [urn:a:b]", operator: ", role: viewer" }[kind] ?? ""
  }}\n`;
const PROGRAM = "unix:path:/opt/agent/bin/agent";
const place = (line: number): string => `stint.yaml:${line}:`;

// The broker of these tests runs as uid 900, which is the user `stint`; `admin` is 1000, `agent` 1001.
test.for([
  { whose: "the broker's", agent: ["unix:uid:900", PROGRAM], operator: [] },
  { whose: "the broker's", agent: ["unix:user:stint", PROGRAM], operator: [] },
  { whose: "the broker's", agent: ["unix:gid:5", "unix:uid:900"], operator: [] },
  { whose: "an operator's", agent: ["unix:uid:1000", PROGRAM], operator: ["unix:uid:1000"] },
  { whose: "an operator's", agent: ["unix:user:admin", PROGRAM], operator: ["unix:uid:1000"] },
  { whose: "an operator's", agent: ["unix:uid:1000", PROGRAM], operator: ["unix:user:admin"] },
  { whose: "an operator's", agent: ["unix:user:in-ldap", PROGRAM], operator: ["unix:user:in-ldap"] },
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

test("names are looked up where the machine keeps them; the first line of a name counts, a broken one does not", () => {
  const directory = mkdtempSync(join(tmpdir(), "stint-names-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const users = join(directory, "passwd");
  const groups = join(directory, "group");
  writeFileSync(users, "root:x:0:0::/root:/bin/sh\nbroken\n:x:3\nodd:x:-1\nagent:x:1001:1001\nagent:x:0:0\n");
  writeFileSync(groups, "operators:x:500:alice,bob\n");
  const names = systemNames({ users, groups });
  expect(["root", "agent", "broken", "", "odd", "operators"].map(names.userId)).toEqual([
    0,
    1001,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect(names.groupId("operators")).toBe(500);
  expect(systemNames({ users: join(directory, "none"), groups }).userId("root")).toBeUndefined();
});
