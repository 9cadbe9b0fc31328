import { describe, expect, test } from "vitest";
import { type EntryContentInput, entrySpiffeId, parseEntryContent } from "../../src/domain/entry-content.ts";
import { parseSegment, parseTrustDomain } from "../../src/domain/spiffe-id.ts";

type InputOf<Kind> = Extract<EntryContentInput, { kind: Kind }>;

const selectors = ["unix:uid:1001"];
const agent: InputOf<"agent"> = { kind: "agent", name: "researcher", selectors };
const runtime: InputOf<"runtime"> = { kind: "runtime", name: "flow", selectors, agents: ["researcher"] };
const verifier: InputOf<"verifier"> = {
  kind: "verifier",
  name: "mcp",
  selectors,
  audiences: ["https://mcp.example.org"],
};
const operator: InputOf<"operator"> = { kind: "operator", name: "alice", selectors, role: "admin" };

const many = (count: number, prefix: string) => Array.from({ length: count }, (_, index) => `${prefix}${index}`);
const refusal = (field: string) => expect.objectContaining({ code: "INVALID_FIELD", metadata: { field } });

describe("an entry may say as much as its bounds, and no more", () => {
  test.for<{ what: string; input: EntryContentInput }>([
    { what: "32 selectors", input: { ...agent, selectors: many(32, "unix:uid:") } },
    { what: "256 audiences of an agent", input: { ...agent, audiences: many(256, "urn:audience:") } },
    { what: "256 audiences of a verifier", input: { ...verifier, audiences: many(256, "urn:audience:") } },
    { what: "SVIDs of 10 s", input: { ...agent, jwtSvidTtlSeconds: 10, x509SvidTtlSeconds: 10 } },
    { what: "SVIDs of an hour", input: { ...agent, jwtSvidTtlSeconds: 3_600, x509SvidTtlSeconds: 3_600 } },
    { what: "steps of 10 s", input: { ...agent, stepSecondsMax: 10 } },
    { what: "steps of a day", input: { ...agent, stepSecondsMax: 86_400 } },
    { what: "one open step", input: { ...runtime, openStepsMax: 1 } },
    { what: "a second of staleness", input: { ...verifier, maxStalenessSeconds: 1 } },
    { what: "a minute of staleness", input: { ...verifier, maxStalenessSeconds: 60 } },
  ])("$what", ({ input }) => {
    expect(parseEntryContent(input)).toMatchObject(input);
  });

  test.for<{ what: string; input: EntryContentInput; field: string }>([
    {
      what: "257 audiences of an agent",
      input: { ...agent, audiences: many(257, "urn:audience:") },
      field: "audiences",
    },
    {
      what: "257 audiences of a verifier",
      input: { ...verifier, audiences: many(257, "urn:audience:") },
      field: "audiences",
    },
    { what: "a step of 9 s", input: { ...agent, stepSecondsMax: 9 }, field: "step_duration_max" },
    { what: "no staleness at all", input: { ...verifier, maxStalenessSeconds: 0 }, field: "max_staleness" },
  ])("not $what", ({ input, field }) => {
    expect(() => parseEntryContent(input)).toThrow(refusal(field));
  });
});

test("a ceiling may be of any tool at any location", () => {
  const any = { type: "mcp_tool", locations: ["*"], identifier: "*", actions: ["read"], datatypes: ["internal"] };
  expect(parseEntryContent({ ...agent, ceiling: [any] })).toMatchObject({ ceiling: [any] });
});

test("where a token is traded is among the audiences, and each there may be", () => {
  const audiences = ["https://mcp.example.org", "urn:aws:sts"];
  const exchanging = (exchangeAudiences: readonly string[]) => ({ ...agent, audiences, exchangeAudiences });
  expect(parseEntryContent(exchanging(["urn:aws:sts"]))).toMatchObject({ exchangeAudiences: ["urn:aws:sts"] });
  expect(() => parseEntryContent(exchanging(["urn:aws:sts", "urn:gcp:sts"]))).toThrow(refusal("exchange_audiences"));
  expect(() => parseEntryContent(exchanging(["a b"]))).toThrow(refusal("exchange_audiences"));
});

test.for([agent, runtime, verifier, operator])("$kind: a refusal names the member that is at fault", (input) => {
  expect(() => parseEntryContent({ ...input, name: "a b" })).toThrow(refusal("name"));
  expect(() => parseEntryContent({ ...input, selectors: ["unix:uid:x"] })).toThrow(refusal("selectors"));
});

test("a verifier's audiences are named where one is none", () => {
  expect(() => parseEntryContent({ ...verifier, audiences: ["a b"] })).toThrow(refusal("audiences"));
});

test("the broker's own SPIFFE ID lies below /stint, where no entry of another kind can lie", () => {
  const server = { kind: "server", name: parseSegment("server", "name"), selectors: [] } as const;
  expect(entrySpiffeId(parseTrustDomain("example.org"), server)).toBe("spiffe://example.org/stint/server");
});
