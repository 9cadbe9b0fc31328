import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { contentOf, readDeclaration, revisionOf } from "../../src/cli/entry-declaration.ts";
import { entryView } from "../../src/cli/output/entry-view.ts";
import { recordOf } from "../../src/cli/output/view.ts";
import { type EntryContentInput, parseEntryContent } from "../../src/domain/entry-content.ts";
import { EntrySchema } from "../../src/gen/stint/v1/entries_pb.js";
import { entryContentMessageOf } from "../../src/wire/entry-message.ts";

const usage = (message: string) => expect.objectContaining({ name: "Failure", exitStatus: 2, message });

describe("a declared entry", () => {
  test("says the same as in the configuration file", async () => {
    const declaration = await readDeclaration(`
      kind: agent
      name: researcher
      selectors: ["unix:uid:1001"]
      ceiling:
        - type: mcp_tool
          locations: ["*"]
          identifier: "*"
          actions: [read]
          datatypes: [internal]
      jwt_svid_ttl: 1m
      step_duration_max: 600
      may_open: true
    `);
    expect(contentOf(declaration)).toMatchObject({
      kind: "agent",
      name: "researcher",
      ceiling: [{ identifier: "*" }],
      jwtSvidTtlSeconds: 60,
      stepSecondsMax: 600,
      mayOpen: true,
      x509SvidTtlSeconds: 300,
    });
  });

  const selectors = ["unix:uid:1001"];
  const inputs: readonly EntryContentInput[] = [
    {
      kind: "agent",
      name: "a",
      selectors,
      audiences: ["urn:x"],
      jwtSvidTtlSeconds: 60,
      allowAnyExecutor: true,
      allowExecutorTree: true,
      executorOpenStepsMax: 300,
    },
    { kind: "runtime", name: "r", selectors, agents: ["a"], openStepsMax: 5 },
    { kind: "verifier", name: "v", selectors, audiences: ["https://mcp.example.org"], maxStalenessSeconds: 15 },
    { kind: "operator", name: "o", selectors, role: "viewer" },
    {
      ...{ kind: "node", name: "n", selectors: ["k8s:cluster:prod", "k8s:ns:stint-node"] },
      ...{ machineName: "k8s:node-name", barredMachines: ["worker-2"] },
    },
  ];
  test.for(inputs)("of $kind, printed as JSON, can be given back as it is", async (input) => {
    const content = parseEntryContent(input);
    const entry = create(EntrySchema, { entryId: "entry_1", revision: 3n, content: entryContentMessageOf(content) });
    const printed = await readDeclaration(JSON.stringify(recordOf(entryView, entry)));
    expect(contentOf(printed)).toEqual(content);
    expect(revisionOf(printed)).toBe(3);
  });

  test.for([
    { bad: "no kind", yaml: "name: a", message: "kind: expected agent, runtime, verifier, operator, node" },
    {
      bad: "a key of another kind",
      yaml: "{kind: operator, name: a, selectors: ['unix:uid:1'], role: admin, ceiling: []}",
      message: "ceiling: an entry of kind operator has kind, name, selectors, role",
    },
    {
      bad: "a key of the prototype",
      yaml: "{kind: operator, constructor: 1}",
      message: expect.stringContaining("constructor: "),
    },
    { bad: "text for a list", yaml: "{kind: agent, selectors: 'unix:uid:1'}", message: "selectors: expected a list" },
    { bad: "a number for text", yaml: "{kind: agent, name: 7}", message: "name: expected text" },
    { bad: "yes for true", yaml: "{kind: agent, may_open: yes}", message: "may_open: expected true or false" },
    {
      bad: "a time of no unit",
      yaml: "{kind: agent, jwt_svid_ttl: 5w}",
      message: "jwt_svid_ttl: expected a time such as 90s, 5m or 1h, or a number of seconds",
    },
  ])("with $bad is refused", async ({ yaml, message }) => {
    const declaration = await readDeclaration(yaml);
    expect(() => contentOf(declaration)).toThrow(usage(message));
  });

  test.for(["- a\n- b", "just text", "", "a: [", "&a [*a]"])("%j is no entry", async (yaml) => {
    await expect(readDeclaration(yaml)).rejects.toEqual(expect.objectContaining({ exitStatus: 2 }));
  });

  test.for([
    { what: "a runtime without agents", yaml: "{kind: runtime, name: r, selectors: ['unix:uid:1']}", field: "agents" },
    { what: "an operator without a role", yaml: "{kind: operator, name: o, selectors: ['unix:uid:1']}", field: "role" },
    { what: "an agent without selectors", yaml: "{kind: agent, name: a}", field: "selectors" },
  ])("that is $what is refused by the domain", async ({ yaml, field }) => {
    const declaration = await readDeclaration(yaml);
    expect(() => contentOf(declaration)).toThrow(expect.objectContaining({ metadata: { field } }));
  });
});
