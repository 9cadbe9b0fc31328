import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DecidePorts, type DecisionRequest, decide } from "../../src/decide/decide.ts";
import { sha256Hex } from "../../src/domain/digest.ts";
import { ACTIONS, type Grant, type GrantElement, isWithin } from "../../src/domain/grant.ts";
import type { AgentEntry, RegistrationEntry } from "../../src/domain/registration-entry.ts";
import { NO_FACTS } from "../../src/domain/run-facts.ts";
import type { Segment, SpiffeId } from "../../src/domain/spiffe-id.ts";
import type { Step } from "../../src/domain/step.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import type { PoliciesInForce, PolicyEffect, PolicyRequest } from "../../src/ports/policy-engine.ts";

const LOCATIONS = ["https://a.example/mcp", "https://b.example/mcp"];
const element = fc.record({
  type: fc.constant("mcp_tool" as const),
  locations: fc.subarray(LOCATIONS, { minLength: 1 }),
  identifier: fc.constantFrom("search", "write_file"),
  actions: fc.subarray([...ACTIONS], { minLength: 1 }),
  datatypes: fc.subarray(["public", "internal"], { minLength: 1 }),
});
const grant: fc.Arbitrary<Grant> = fc.array(element, { maxLength: 5 });

function entryWith(ceiling: Grant): AgentEntry {
  return {
    entryId: "entry_1",
    spiffeId: "spiffe://example.org/agent/researcher" as SpiffeId,
    origin: "api",
    disabled: false,
    revision: 4,
    createdAt: 0 as UnixMicros,
    updatedAt: 0 as UnixMicros,
    content: {
      kind: "agent",
      name: "researcher" as Segment,
      selectors: [],
      spiffeIdTemplate: "/agent/{agent}",
      ceiling,
      audiences: [],
      exchangeAudiences: [],
      jwtSvidTtlSeconds: 120,
      x509SvidTtlSeconds: 300,
      stepSecondsMax: 900,
      mayOpen: false,
      allowAnyExecutor: false,
      allowMultipleAudiences: false,
    },
  };
}

const OPENER = { entryId: "entry_2", revision: 1, content: { kind: "runtime", name: "flow" } } as RegistrationEntry;

function asking(requested: Grant, ceiling: Grant, parent?: Grant, allowPartial = false): DecisionRequest {
  return {
    opener: OPENER,
    entry: entryWith(ceiling),
    name: { runId: "r" as Segment, step: "s" as Segment, attempt: 1 },
    requested,
    parent: parent === undefined ? undefined : ({ grant: parent, depth: 0 } as Step),
    allowPartial,
    workflow: undefined,
    principal: undefined,
    selectors: new Set(),
    scopes: ["run:r"],
    replaces: undefined,
  };
}

const CLASSES = ["public", "internal"].map((name) => [name, { sensitivity: "ordinary", securityDomain: [] }] as const);
const NONE: PoliciesInForce = {
  version: 0,
  root: "",
  sequence: 0,
  dataClasses: { ratchet: "run", classes: Object.fromEntries(CLASSES) },
};

/** A run of which nothing is known yet, and an engine that answers as it is told. */
function world(answer?: (request: PolicyRequest) => readonly PolicyEffect[], root = "ab"): DecidePorts {
  return {
    policies: { inForce: async () => (answer === undefined ? NONE : { ...NONE, version: 1, root, sequence: 5 }) },
    steps: {
      world: async (countsIn) => ({ countsIn, facts: [], together: NO_FACTS, risks: [], through: 0 }),
      ...NO_STEPS,
    },
    principals: { open: async () => undefined },
    stepDirectory: { openInScopes: async () => [] },
    clock: { now: () => 1_795_341_600_000_000 as UnixMicros },
    engine: {
      evaluate: async (_, request) => ({
        whole: ALLOW,
        elements: answer?.(request) ?? [],
      }),
    },
  };
}

const NO_STEPS = {
  opening: async () => undefined,
  callsCounted: async () => new Map<number, number>(),
  step: async () => undefined,
};

const ALLOW: PolicyEffect = { effect: "allow", policies: [] };

/** Permits every other element it is asked for, so that a run-time policy is part of what is tested. */
const half = ({ elements }: PolicyRequest) =>
  elements.map((_, index): PolicyEffect => ({ effect: index % 2 === 0 ? "allow" : "deny", policies: ["every-other"] }));

describe("never wider: a grant lies within request, ceiling, parent and policy", () => {
  test("whatever is asked", async () => {
    await fc.assert(
      fc.asyncProperty(
        grant,
        grant,
        fc.option(grant, { nil: undefined }),
        fc.boolean(),
        async (asked, ceiling, parent, partial) => {
          const { decision: decided } = await decide(asking(asked, ceiling, parent, partial), world(half));
          expect(isWithin(decided.granted, ceiling)).toBe(true);
          expect(isWithin(decided.granted, parent ?? ceiling)).toBe(true);
          expect(decided.granted.every((one) => asked.includes(one))).toBe(true);
          expect(decided.effect === "deny" ? decided.granted : []).toEqual([]);
          if (!partial && decided.effect === "allow") expect(decided.granted).toEqual(asked);
        },
      ),
    );
  });

  test("a policy that answers with more than it was asked grants nothing more", async () => {
    const search = {
      type: "mcp_tool",
      locations: [LOCATIONS[0] ?? ""],
      identifier: "search",
      actions: ["read"],
      datatypes: ["public"],
    } as const;
    const generous = ({ elements }: PolicyRequest) =>
      [...elements, { ...search, identifier: "write_file" }].map(() => ALLOW);
    const { decision: decided } = await decide(asking([search], [search]), world(generous));
    expect(decided.granted).toEqual([search]);
  });
});

describe("policy is asked", () => {
  const within: GrantElement = {
    type: "mcp_tool",
    locations: [LOCATIONS[0] ?? ""],
    identifier: "search",
    actions: ["read"],
    datatypes: ["public"],
  };
  const aboveCeiling: GrantElement = { ...within, identifier: "write_file" };
  const aboveParent: GrantElement = { ...within, datatypes: ["internal"] };
  const ceiling = [within, aboveParent];
  const denied: GrantElement = { ...within, locations: [LOCATIONS[1] ?? ""] };

  /** Notes what it is asked, and permits what is not `denied`. */
  function askedPolicy() {
    const asked: PolicyRequest[] = [];
    const ports = world((request) => {
      asked.push(request);
      return request.elements.map((one) => ({
        effect: one === denied ? ("deny" as const) : ("allow" as const),
        policies: [`on-${one.identifier}`, "base"],
      }));
    });
    return { asked, ports };
  }

  test("about the elements that ceiling and parent permit, and its answers are for these elements, in their order", async () => {
    const { asked, ports } = askedPolicy();
    const requested = [aboveCeiling, denied, within, aboveParent];
    const request = asking(requested, [...ceiling, denied], [within, denied], true);
    const selectors = new Set(["unix:uid:1000", "unix:path:/opt/agents/researcher"]);
    const { decision } = await decide({ ...request, workflow: "report", selectors }, ports);
    expect(asked).toEqual([
      {
        act: "open",
        agent: "researcher",
        name: request.name,
        runtime: "flow",
        workflow: "report",
        parent: expect.any(Object),
        requested,
        elements: [denied, within],
        facts: { classes: [], actions: [], stepsOpen: 0, steps: 0 },
        risk: { domain: "low", agent: "low", run: "low" },
        depth: 1,
        // A path of the host is no business of the ledger.
        selectors: ["unix:uid:1000"],
        at: 1_795_341_600_000_000,
      },
    ]);
    expect(decision).toMatchObject({ granted: [within], refused: [aboveCeiling, denied, aboveParent] });
    expect(decision.determiningPolicies).toEqual(["ceiling:entry_1@4", "base", "on-search"]);
    expect(decision.situation).toMatchObject({ policyVersion: 1, runtime: "flow", workflow: "report", depth: 1 });
  });

  test("nothing that the request does not say", async () => {
    const { asked, ports } = askedPolicy();
    await decide(asking([within], ceiling), ports);
    for (const member of ["workflow", "principal", "parent", "confinedTo"]) expect(asked[0]).not.toHaveProperty(member);
  });

  test("and what it refuses beside the parent is no refusal of the parent's alone", async () => {
    const { ports } = askedPolicy();
    const asked = asking([denied, aboveParent], [...ceiling, denied], [within, denied]);
    const { decision } = await decide(asked, ports);
    expect(decision).toMatchObject({ effect: "deny", reason: "POLICY_DENIED", refused: [denied, aboveParent] });
  });

  test("and says nothing of an element: the element is refused", async () => {
    const { decision } = await decide(
      asking([within, aboveParent], ceiling),
      world(() => [ALLOW]),
    );
    expect(decision).toMatchObject({ effect: "deny", reason: "POLICY_DENIED", refused: [aboveParent] });
  });

  test("and says that the step must not be opened at all: nothing is granted", async () => {
    const ports = world(() => [ALLOW]);
    const whole: PolicyEffect = { effect: "deny", policies: ["high-risk"] };
    const engine = { evaluate: async () => ({ whole, elements: [ALLOW] }) };
    const { decision } = await decide(asking([within], ceiling, undefined, true), { ...ports, engine });
    expect(decision).toMatchObject({ effect: "deny", reason: "POLICY_DENIED", granted: [], refused: [within] });
    expect(decision.determiningPolicies).toContain("high-risk");
  });

  test("and fails on a policy: the decision says which", async () => {
    const broken: PolicyEffect = { effect: "deny", policies: [], errors: ["site.2: no such attribute"] };
    const { decision } = await decide(
      asking([within], ceiling),
      world(() => [broken]),
    );
    expect(decision).toMatchObject({ effect: "deny", policyErrors: ["site.2: no such attribute"] });
  });

  test("of no more data classes than it can be asked of again once they were granted", async () => {
    const datatypes = Array.from({ length: 33 }, (_, index) => `class-${index}-`.padEnd(128, "x"));
    const requested = [0, 11, 22].map((at) => ({ ...within, datatypes: datatypes.slice(at, at + 11) }));
    const ports = world(({ elements }) => elements.map(() => ALLOW));
    await expect(decide(asking(requested, requested), ports)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    const [first] = requested;
    if (first === undefined) throw new RangeError("no element");
    expect(await decide(asking([first], requested), ports)).toMatchObject({ decision: { effect: "allow" } });
  });

  test("and its digest is a part of the decision's, with the entry's revision", async () => {
    const digestOf = async (root: string) => {
      const { decision } = await decide(
        asking([], ceiling),
        world(() => [], root),
      );
      return decision.policyDigest;
    };
    expect(await digestOf("ab")).toBe(sha256Hex("entry_1@4\nab"));
    expect(await digestOf("cd")).toBe(sha256Hex("entry_1@4\ncd"));
  });
});

describe("a refusal says what refused, and which elements", () => {
  const read = {
    type: "mcp_tool",
    locations: [LOCATIONS[0] ?? ""],
    identifier: "search",
    actions: ["read"],
    datatypes: ["public"],
  } as const;
  const write = { ...read, actions: ["write"] } as const;

  test("above the ceiling: POLICY_DENIED with the elements refused", async () => {
    const { decision: decided } = await decide(asking([read, write], [read]), world());
    expect(decided).toMatchObject({
      act: "open",
      effect: "deny",
      reason: "POLICY_DENIED",
      refused: [write],
      granted: [],
    });
  });

  test("above the parent alone: DELEGATION_REFUSED", async () => {
    const { decision: decided } = await decide(asking([read, write], [read, write], [read]), world());
    expect(decided).toMatchObject({ effect: "deny", reason: "DELEGATION_REFUSED", refused: [write] });
  });

  test("allow_partial grants the permitted part, and nothing at all when there is none", async () => {
    const partly = await decide(asking([read, write], [read], undefined, true), world());
    expect(partly.decision).toMatchObject({ effect: "allow", granted: [read], refused: [write] });
    const none = await decide(asking([write], [read], undefined, true), world());
    expect(none.decision).toMatchObject({ effect: "deny" });
  });

  test("a decision names the entry's revision it was made on", async () => {
    const { decision: decided } = await decide(asking([read], [read]), world());
    expect(decided.determiningPolicies).toContain("ceiling:entry_1@4");
  });
});
