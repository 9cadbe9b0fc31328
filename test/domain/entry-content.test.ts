import { describe, expect, test } from "vitest";
import { type EntryContentInput, entrySpiffeId, parseEntryContent } from "../../src/domain/entry-content.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";

type AgentInput = Extract<EntryContentInput, { kind: "agent" }>;

const agent: AgentInput = { kind: "agent", name: "researcher", selectors: ["unix:uid:1001"] };
const runtime: EntryContentInput = { ...agent, kind: "runtime", name: "graph", agents: ["researcher"] };
const verifier: EntryContentInput = {
  ...agent,
  kind: "verifier",
  name: "mcp-1",
  audiences: ["https://mcp.example.org"],
};
const operator: EntryContentInput = { ...agent, kind: "operator", name: "ops", role: "admin" };

const refusal = (field: string) => expect.objectContaining({ code: "INVALID_FIELD", metadata: { field } });

describe("what an entry leaves out takes its default", () => {
  test("for an agent", () => {
    expect(parseEntryContent(agent)).toEqual({
      kind: "agent",
      name: "researcher",
      selectors: ["unix:uid:1001"],
      spiffeIdTemplate: "/agent/{agent}",
      ceiling: [],
      audiences: [],
      exchangeAudiences: [],
      jwtSvidTtlSeconds: 120,
      x509SvidTtlSeconds: 300,
      stepSecondsMax: 900,
      mayOpen: false,
      allowAnyExecutor: false,
      allowMultipleAudiences: false,
    });
  });

  test("of foreign trust domains nothing at all, as it was before there were any", () => {
    for (const input of [agent, runtime, verifier]) {
      expect(parseEntryContent({ ...input, federatesWith: [] } as EntryContentInput)).toEqual(parseEntryContent(input));
      expect(parseEntryContent(input)).not.toHaveProperty("federatesWith");
    }
  });

  test("for a runtime, a verifier and an operator", () => {
    expect(parseEntryContent(runtime)).toMatchObject({ agents: ["researcher"], openStepsMax: 10_000 });
    expect(parseEntryContent(verifier)).toMatchObject({ maxStalenessSeconds: 60 });
    expect(parseEntryContent(operator)).toMatchObject({ role: "admin" });
  });
});

describe("an entry is refused by the name of the member", () => {
  const ceiling = {
    type: "mcp_tool",
    locations: ["https://mcp.example.org"],
    identifier: "*",
    actions: ["read"],
    datatypes: ["internal"],
  };
  test.for<{ bad: string; input: EntryContentInput; field: string }>([
    { bad: "a name with a slash", input: { ...agent, name: "a/b" }, field: "name" },
    { bad: "no selectors", input: { ...agent, selectors: [] }, field: "selectors" },
    { bad: "a selector twice", input: { ...agent, selectors: ["unix:uid:1", "unix:uid:1"] }, field: "selectors" },
    { bad: "a selector of no kind", input: { ...agent, selectors: ["docker:label:x"] }, field: "selectors" },
    {
      bad: "too many selectors",
      input: { ...agent, selectors: Array.from({ length: 33 }, (_, uid) => `unix:uid:${uid}`) },
      field: "selectors",
    },
    {
      bad: "a ceiling without datatypes",
      input: { ...agent, ceiling: [{ ...ceiling, datatypes: [] }] },
      field: "ceiling[0].datatypes",
    },
    { bad: "a JWT-SVID shorter than 10 s", input: { ...agent, jwtSvidTtlSeconds: 9 }, field: "jwt_svid_ttl" },
    {
      bad: "an X.509-SVID longer than an hour",
      input: { ...agent, x509SvidTtlSeconds: 3_601 },
      field: "x509_svid_ttl",
    },
    { bad: "half a second", input: { ...agent, jwtSvidTtlSeconds: 60.5 }, field: "jwt_svid_ttl" },
    { bad: "no number", input: { ...agent, stepSecondsMax: Number.NaN }, field: "step_duration_max" },
    { bad: "a step longer than a day", input: { ...agent, stepSecondsMax: 86_401 }, field: "step_duration_max" },
    {
      bad: "an audience with a trailing slash",
      input: { ...agent, audiences: ["https://example.org/"] },
      field: "audiences",
    },
    { bad: "the audience *", input: { ...agent, audiences: ["*"] }, field: "audiences" },
    {
      bad: "an agent's audience that is the broker",
      input: { ...agent, audiences: ["spiffe://example.org/stint/server"] },
      field: "audiences",
    },
    {
      bad: "a verifier that would answer for a broker",
      input: { ...verifier, audiences: ["https://mcp.example.org", "spiffe://other.example/stint/server"] },
      field: "audiences",
    },
    {
      bad: "an exchange audience of its own",
      input: { ...agent, exchangeAudiences: ["urn:aws:sts"] },
      field: "exchange_audiences",
    },
    { bad: "a runtime without agents", input: { ...runtime, agents: [] } as EntryContentInput, field: "agents" },
    { bad: "a runtime of any agent", input: { ...runtime, agents: ["*"] } as EntryContentInput, field: "agents" },
    {
      bad: "no open steps at all",
      input: { ...runtime, openStepsMax: 0 } as EntryContentInput,
      field: "open_steps_max",
    },
    {
      bad: "a verifier without audiences",
      input: { ...verifier, audiences: [] } as EntryContentInput,
      field: "audiences",
    },
    {
      bad: "a verifier stale for minutes",
      input: { ...verifier, maxStalenessSeconds: 61 } as EntryContentInput,
      field: "max_staleness",
    },
    { bad: "an operator of no role", input: { ...operator, role: "root" } as EntryContentInput, field: "role" },
  ])("$bad", ({ input, field }) => {
    expect(() => parseEntryContent(input)).toThrow(refusal(field));
    expect(() => parseEntryContent(input, "entries[2].")).toThrow(refusal(`entries[2].${field}`));
  });

  test("and by its size when it would not fit into one event", () => {
    const audiences = Array.from({ length: 64 }, (_, index) => `https://example.org/${index}/${"x".repeat(1_000)}`);
    expect(() => parseEntryContent({ ...agent, audiences })).toThrow(
      expect.objectContaining({ code: "LIMIT_EXCEEDED" }),
    );
  });
});

describe("a SPIFFE ID template", () => {
  test.for([{ template: "/agent/{agent}" }, { template: "/ns/prod/sa/{agent}" }, { template: "/team-a.{agent}" }])(
    "$template is accepted",
    ({ template }) => {
      expect(parseEntryContent({ ...agent, spiffeIdTemplate: template })).toMatchObject({ spiffeIdTemplate: template });
    },
  );

  test.for([
    { why: "no leading slash", template: "agent/{agent}" },
    { why: "a trailing slash", template: "/agent/{agent}/" },
    { why: "an empty segment", template: "/agent//{agent}" },
    { why: "a dot segment", template: "/agent/../{agent}" },
    { why: "an escape", template: "/agent/%2f{agent}" },
    { why: "another placeholder", template: "/agent/{agent}/{run}" },
    { why: "no placeholder, so that two agents could share it", template: "/agent/researcher" },
    { why: "the place of the broker itself", template: "/stint/{agent}" },
    { why: "the place of operators", template: "/operator/{agent}" },
    { why: "a path that reads as a step's", template: "/agent/x/run/{agent}/step/y/1" },
    { why: "empty", template: "" },
    { why: "longer than leaves room for a step", template: `/${"a".repeat(1_024)}/{agent}` },
  ])("is refused: $why", ({ template }) => {
    expect(() => parseEntryContent({ ...agent, spiffeIdTemplate: template })).toThrow(refusal("spiffe_id_template"));
  });

  test("is refused when it makes the name the place of operators", () => {
    const input = { ...agent, name: "operator", spiffeIdTemplate: "/{agent}" };
    expect(() => parseEntryContent(input)).toThrow(refusal("spiffe_id_template"));
  });
});

test.for([
  { input: agent, id: "spiffe://example.org/agent/researcher" },
  { input: { ...agent, spiffeIdTemplate: "/ns/prod/sa/{agent}" }, id: "spiffe://example.org/ns/prod/sa/researcher" },
  { input: runtime, id: "spiffe://example.org/runtime/graph" },
  { input: verifier, id: "spiffe://example.org/verifier/mcp-1" },
  { input: operator, id: "spiffe://example.org/operator/ops" },
])("$input.kind $input.name is $id", ({ input, id }) => {
  expect(entrySpiffeId(parseTrustDomain("example.org"), parseEntryContent(input))).toBe(id);
});

test.for([agent, runtime, verifier])("$kind: federates with trust domains, each named once and well", (input) => {
  const naming = (...federatesWith: readonly string[]) =>
    parseEntryContent({ ...input, federatesWith } as EntryContentInput);
  expect(naming("other.example", "third.example")).toMatchObject({
    federatesWith: ["other.example", "third.example"],
  });
  const many = Array.from({ length: 33 }, (_, index) => `domain-${index}.example`);
  for (const names of [["Other.example"], ["spiffe://other.example"], [""], ["a.example", "a.example"], many]) {
    expect(() => naming(...names)).toThrow(refusal("federates_with"));
  }
});
