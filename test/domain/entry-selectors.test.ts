import { describe, expect, test } from "vitest";
import { type EntryContentInput, parseEntryContent } from "../../src/domain/entry-content.ts";
import { mayBeUser, mayShareUser } from "../../src/domain/entry-users.ts";
import type { NodeName } from "../../src/domain/node-name.ts";
import { matches, nodeSelectors, type Selector, selector } from "../../src/domain/selector.ts";

const CA = `x509pop:ca:${"0".repeat(64)}`;
const ISS = "oidc:iss:https://a.example";
const refusal = expect.objectContaining({ code: "INVALID_FIELD", metadata: { field: "selectors" } });

const entryOf = (selectors: readonly string[]): EntryContentInput => ({
  kind: "runtime",
  name: "flow",
  selectors,
  agents: ["researcher"],
});

describe("the selectors of an entry are such as one workload can have", () => {
  test.for([
    { selectors: ["unix:uid:1001", "systemd:unit:flow.service"] },
    { selectors: ["node:name:one", "unix:uid:1001"] },
    { selectors: ["node:group:one", "unix:uid:1001"] },
    { selectors: ["node:name:one/a", "unix:uid:1001"] },
    { selectors: [ISS] },
    { selectors: ["oidc:sub:me", ISS, "oidc:claim:a:b"] },
    { selectors: ["k8s:ns:agents", "k8s:sa:flow", "k8s:cluster:prod"] },
    { selectors: [CA] },
    { selectors: ["x509pop:subject:cn:me", CA] },
    { selectors: ["join_token:name:flow"] },
  ])("as $selectors", ({ selectors }) => {
    expect(parseEntryContent(entryOf(selectors)).selectors).toEqual(selectors);
  });

  test.for([
    { selectors: ["unix:uid:1001", ISS] },
    { selectors: ["systemd:unit:flow.service", "join_token:name:flow"] },
    { selectors: [ISS, CA] },
    { selectors: [ISS, "k8s:cluster:prod"] },
    { selectors: ["unix:uid:1001", "k8s:cluster:prod"] },
    { selectors: ["join_token:name:flow", CA] },
    { selectors: ["node:name:one", "join_token:name:flow"] },
    { selectors: ["node:name:one", "node:name:two", "unix:uid:1001"] },
    { selectors: ["node:name:one"] },
    { selectors: ["node:group:one"] },
    { selectors: ["node:group:one", "node:name:one/a", "unix:uid:1001"] },
  ])("and not as $selectors", ({ selectors }) => {
    expect(() => parseEntryContent(entryOf(selectors))).toThrow(refusal);
  });
});

test.for([
  { without: "its issuer", selectors: ["oidc:sub:me"] },
  { without: "its issuer", selectors: ["oidc:claim:repository:me/mine"] },
  { without: "its cluster", selectors: ["k8s:ns:agents", "k8s:sa:flow"] },
  { without: "its CA", selectors: ["x509pop:subject:cn:me"] },
  { without: "its CA", selectors: ["x509pop:san:dns:me.example", "x509pop:serial_number:7f"] },
])("an entry of $selectors is refused without $without, since another could say the same", ({ selectors }) => {
  expect(() => parseEntryContent(entryOf(selectors))).toThrow(refusal);
});

test.for([
  { selectors: [ISS] },
  { selectors: ["k8s:cluster:prod", "k8s:ns:a"] },
  { selectors: [CA] },
  { selectors: ["join_token:name:a"] },
])("evidence makes no agent: $selectors", ({ selectors }) => {
  expect(() => parseEntryContent({ kind: "agent", name: "a", selectors })).toThrow(refusal);
  for (const entry of [
    { kind: "verifier", name: "a", selectors, audiences: ["urn:a:b"] },
    { kind: "operator", name: "a", selectors, role: "viewer" },
  ] as const) {
    expect(parseEntryContent(entry).selectors).toEqual(selectors);
  }
});

test("a node is known by evidence, and by no process; and no node vouches for an operator or a node", () => {
  const node = (selectors: readonly string[]) => parseEntryContent({ kind: "node", name: "one", selectors });
  expect(node(["join_token:name:one"])).toEqual({ kind: "node", name: "one", selectors: ["join_token:name:one"] });
  expect(() => node(["unix:uid:0"])).toThrow(refusal);
  const behind = ["node:name:two", "unix:uid:0"];
  expect(() => node(behind)).toThrow(refusal);
  expect(() => parseEntryContent({ kind: "operator", name: "a", selectors: behind, role: "admin" })).toThrow(refusal);
});

test("an entry matches what a node vouches for only where it names the node", () => {
  const uid = selector("unix:uid", 1001);
  const [one, two] = ["one", "two"].map((name) => selector("node:name", name)) as [Selector, Selector];
  const here = new Set([uid]);
  const there = new Set([uid, ...nodeSelectors("one" as NodeName)]);
  expect([matches([uid], here), matches([uid], there)]).toEqual([true, false]);
  expect([matches([one, uid], there), matches([one, uid], here), matches([two, uid], there)]).toEqual([
    true,
    false,
    false,
  ]);
});

test("an entry that names a group matches on each of its machines, and on none of a node with the group's name", () => {
  const uid = selector("unix:uid", 1001);
  const wanted = [selector("node:group", "pool"), uid];
  const on = (node: string) => matches(wanted, new Set([uid, ...nodeSelectors(node as NodeName)]));
  expect(["pool/one", "pool/two", "pool", "other/one"].map(on)).toEqual([true, true, false, false]);
  expect(matches(wanted, new Set([uid]))).toBe(false);
  const ofOne = [selector("node:name", "pool/one"), uid];
  expect(matches(ofOne, new Set([uid, ...nodeSelectors("pool/two" as NodeName)]))).toBe(false);
});

test("users of the same number on two machines are two users", () => {
  const uid = selector("unix:uid", 0);
  const one = [...nodeSelectors("one" as NodeName), uid];
  const none = { users: [], groups: [] };
  expect([mayShareUser([uid], [uid], none), mayShareUser(one, [uid], none), mayShareUser(one, one, none)]).toEqual([
    true,
    false,
    true,
  ]);
  expect([mayBeUser([uid], { uid: 0, gids: [] }, none), mayBeUser(one, { uid: 0, gids: [] }, none)]).toEqual([
    true,
    false,
  ]);
});
