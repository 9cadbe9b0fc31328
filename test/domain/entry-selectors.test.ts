import { describe, expect, test } from "vitest";
import { type EntryContentInput, parseEntryContent } from "../../src/domain/entry-content.ts";

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
