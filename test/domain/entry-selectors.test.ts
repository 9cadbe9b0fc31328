import { describe, expect, test } from "vitest";
import { type EntryContentInput, parseEntryContent } from "../../src/domain/entry-content.ts";
import { mayBeUser, mayShareUser } from "../../src/domain/entry-users.ts";
import { matches, nodeSelector, selector } from "../../src/domain/selector.ts";
import type { Segment } from "../../src/domain/spiffe-id.ts";

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
  const [one, two] = [nodeSelector("one" as Segment), nodeSelector("two" as Segment)];
  const here = new Set([uid]);
  const there = new Set([uid, one]);
  expect([matches([uid], here), matches([uid], there)]).toEqual([true, false]);
  expect([matches([one, uid], there), matches([one, uid], here), matches([two, uid], there)]).toEqual([
    true,
    false,
    false,
  ]);
});

test("users of the same number on two machines are two users", () => {
  const uid = selector("unix:uid", 0);
  const one = [nodeSelector("one" as Segment), uid];
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
