import fc from "fast-check";
import { expect, test } from "vitest";
import { type GrantElement, isWithin } from "../../src/domain/grant.ts";
import type { AgentContent, EntryContent, RegistrationEntry } from "../../src/domain/registration-entry.ts";
import type { SpiffeId } from "../../src/domain/spiffe-id.ts";
import type { Step } from "../../src/domain/step.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import { stepsNoLongerPermitted } from "../../src/registry/closes.ts";
import { STEP } from "../samples/credentials.ts";
import { agent, FILES, operator, READ, runtime, SEARCH, WRITE } from "./broker-registry.ts";

const IDENTITY = "https://identity.example.org";
const OTHER = "https://other.example.org";

function entryOf(content: EntryContent, entryId = "entry_agent"): RegistrationEntry {
  const at = 0 as UnixMicros;
  const own = { origin: "api", disabled: false, revision: 1, createdAt: at, updatedAt: at } as const;
  return { entryId, spiffeId: "spiffe://example.org/agent/researcher" as SpiffeId, content, ...own };
}

const BEFORE = agent({ audiences: [IDENTITY], allowAnyExecutor: true, mayOpen: true });
const step = (own: Partial<Step> = {}): Step => ({
  ...STEP,
  agentEntryId: "entry_agent",
  openerEntryId: "entry_runtime",
  grant: [READ] as Step["grant"],
  audiences: [],
  ...own,
});
const closes = (content: EntryContent, one: Step, before: RegistrationEntry = entryOf(BEFORE)) =>
  stepsNoLongerPermitted(before, content, [one]).length === 1;

test.for([
  { change: "nothing", to: BEFORE, of: step(), closed: false },
  { change: "a tool is taken away that the step holds", to: agent({ ceiling: [WRITE] }), of: step(), closed: true },
  { change: "a tool is taken away that it does not hold", to: agent({ ceiling: [READ] }), of: step(), closed: false },
  { change: "an audience is taken away that it holds", to: agent(), of: step({ audiences: [IDENTITY] }), closed: true },
  {
    change: "another audience is taken away",
    to: agent({ audiences: [IDENTITY] }),
    of: step({ audiences: [IDENTITY] }),
    closed: false,
  },
  { change: "any executor is allowed no more", to: agent(), of: step({ executor: { kind: "any" } }), closed: true },
  { change: "any executor is allowed no more, and it has one", to: agent(), of: step(), closed: false },
  {
    change: "a tree of processes is allowed no more",
    to: agent(),
    of: step({ executor: { kind: "tree", process: STEP.opener } }),
    closed: true,
  },
  {
    change: "a tree of processes is allowed still",
    to: agent({ allowExecutorTree: true }),
    of: step({ executor: { kind: "tree", process: STEP.opener } }),
    closed: false,
  },
  {
    change: "the agent may open no more, and opened it",
    to: agent(),
    of: step({ openerEntryId: "entry_agent" }),
    closed: true,
  },
  { change: "the agent may open no more, and did not open it", to: agent(), of: step(), closed: false },
  {
    change: "identities are made from another template",
    to: agent({ ...pick(BEFORE), spiffeIdTemplate: "/team/{agent}" }),
    of: step(),
    closed: true,
  },
  {
    change: "times to live are others",
    to: agent({ ...pick(BEFORE), jwtSvidTtlSeconds: 30 }),
    of: step(),
    closed: false,
  },
  {
    change: "the step is another agent's",
    to: agent({ ceiling: [] }),
    of: step({ agentEntryId: "entry_x" }),
    closed: false,
  },
])("when $change: the step is closed is $closed", ({ to, of, closed }) => {
  expect(closes(to, of)).toBe(closed);
});

test.for([
  { agents: ["researcher"], opener: "entry_runtime", closed: false },
  { agents: ["writer"], opener: "entry_runtime", closed: true },
  { agents: ["writer"], opener: "entry_other", closed: false },
])(
  "a runtime for $agents keeps what $opener opened for researcher: closed is $closed",
  ({ agents, opener, closed }) => {
    const before = entryOf(runtime(), "entry_runtime");
    expect(closes(runtime({ agents }), step({ openerEntryId: opener }), before)).toBe(closed);
  },
);

test("what an operator's entry says closes nothing", () => {
  expect(closes(operator({ role: "viewer" }), step(), entryOf(operator()))).toBe(false);
});

function pick(content: EntryContent) {
  const { audiences, allowAnyExecutor, mayOpen } = content as AgentContent;
  return { audiences, allowAnyExecutor, mayOpen };
}

const element: fc.Arbitrary<GrantElement> = fc.record({
  type: fc.constant("mcp_tool" as const),
  locations: fc.subarray([SEARCH, FILES, OTHER], { minLength: 1 }),
  identifier: fc.constantFrom("search", "write", "delete"),
  actions: fc.subarray(["read", "write", "execute"] as const, { minLength: 1 }),
  datatypes: fc.subarray(["a", "b"], { minLength: 1 }),
});

test("a step that stays open holds nothing beyond the new content, and one within it stays", () => {
  fc.assert(
    fc.property(
      fc.array(element, { maxLength: 3 }),
      fc.array(element, { maxLength: 3 }),
      fc.subarray([IDENTITY, OTHER]),
      fc.subarray([IDENTITY, OTHER]),
      (grant, ceiling, audiences, allowed) => {
        const content = agent({ ...pick(BEFORE), ceiling, audiences: allowed });
        const isPermitted = isWithin(grant, ceiling) && audiences.every((one) => allowed.includes(one));
        expect(closes(content, step({ grant, audiences }))).toBe(!isPermitted);
      },
    ),
  );
});
