import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createCeilingPolicy } from "../../src/adapters/policy-ceiling/policy-ceiling.ts";
import { decide } from "../../src/decide/decide.ts";
import { sha256Hex } from "../../src/domain/digest.ts";
import { ACTIONS, type Grant, type GrantElement, isWithin } from "../../src/domain/grant.ts";
import type { AgentEntry } from "../../src/domain/registration-entry.ts";
import type { Segment, SpiffeId } from "../../src/domain/spiffe-id.ts";
import type { Step } from "../../src/domain/step.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import type { Policy, PolicyRequest } from "../../src/ports/policy.ts";

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

function asking(requested: Grant, ceiling: Grant, parent?: Grant, allowPartial = false) {
  return {
    callerEntryId: "entry_2",
    entry: entryWith(ceiling),
    name: { runId: "r" as Segment, step: "s" as Segment, attempt: 1 },
    requested,
    parent: parent === undefined ? undefined : ({ grant: parent } as Step),
    allowPartial,
    workflow: undefined,
    purpose: undefined,
  };
}

/** Permits every other element it is asked for, so that a run-time policy is part of what is tested. */
const halfPolicy: Policy = {
  evaluate: async ({ requested }) => ({
    elements: requested.map((_, index) => ({ effect: index % 2 === 0 ? "allow" : "deny", policies: ["every-other"] })),
    policyDigest: "00",
  }),
};

describe("never wider: a grant lies within request, ceiling, parent and policy", () => {
  test("whatever is asked", async () => {
    await fc.assert(
      fc.asyncProperty(
        grant,
        grant,
        fc.option(grant, { nil: undefined }),
        fc.boolean(),
        async (asked, ceiling, parent, partial) => {
          const decided = await decide(asking(asked, ceiling, parent, partial), halfPolicy);
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
    const generous: Policy = {
      evaluate: async ({ requested }) => ({
        elements: [...requested, { ...search, identifier: "write_file" }].map(() => ({
          effect: "allow",
          policies: [],
        })),
        policyDigest: "00",
      }),
    };
    const decided = await decide(asking([search], [search]), generous);
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
    const policy: Policy = {
      async evaluate(request) {
        asked.push(request);
        const elements = request.requested.map((one) => ({
          effect: one === denied ? ("deny" as const) : ("allow" as const),
          policies: [`on-${one.identifier}`, "base"],
        }));
        return { elements, policyDigest: "ab" };
      },
    };
    return { asked, policy };
  }

  test("about the elements that ceiling and parent permit, and its answers are for these elements, in their order", async () => {
    const { asked, policy } = askedPolicy();
    const requested = [aboveCeiling, denied, within, aboveParent];
    const request = asking(requested, [...ceiling, denied], [within, denied], true);
    const decided = await decide({ ...request, workflow: "report", purpose: "to know" }, policy);
    expect(asked).toEqual([
      {
        act: "open",
        entry: request.entry,
        requested: [denied, within],
        runId: "r",
        step: "s",
        workflow: "report",
        purpose: "to know",
      },
    ]);
    expect(decided).toMatchObject({ granted: [within], refused: [aboveCeiling, denied, aboveParent] });
    expect(decided.determiningPolicies).toEqual(["ceiling:entry_1@4", "on-search", "base"]);
  });

  test("nothing that the request does not say", async () => {
    const { asked, policy } = askedPolicy();
    await decide(asking([within], ceiling), policy);
    expect(Object.keys(asked[0] ?? {})).toEqual(["act", "entry", "requested", "runId", "step"]);
  });

  test("and what it refuses beside the parent is no refusal of the parent's alone", async () => {
    const { policy } = askedPolicy();
    const decided = await decide(asking([denied, aboveParent], [...ceiling, denied], [within, denied]), policy);
    expect(decided).toMatchObject({ effect: "deny", reason: "POLICY_DENIED", refused: [denied, aboveParent] });
  });

  test("and says nothing of an element: the element is refused", async () => {
    const decided = await decide(asking([within, aboveParent], ceiling), {
      evaluate: async () => ({ elements: [{ effect: "allow", policies: [] }], policyDigest: "ab" }),
    });
    expect(decided).toMatchObject({ effect: "deny", reason: "POLICY_DENIED", refused: [aboveParent] });
  });

  test("and its digest is a part of the decision's, with the entry's revision", async () => {
    const digestOf = async (policyDigest: string) =>
      (await decide(asking([], ceiling), { evaluate: async () => ({ elements: [], policyDigest }) })).policyDigest;
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
    const decided = await decide(asking([read, write], [read]), createCeilingPolicy());
    expect(decided).toMatchObject({
      act: "open",
      effect: "deny",
      reason: "POLICY_DENIED",
      refused: [write],
      granted: [],
    });
  });

  test("above the parent alone: DELEGATION_REFUSED", async () => {
    const decided = await decide(asking([read, write], [read, write], [read]), createCeilingPolicy());
    expect(decided).toMatchObject({ effect: "deny", reason: "DELEGATION_REFUSED", refused: [write] });
  });

  test("allow_partial grants the permitted part, and nothing at all when there is none", async () => {
    expect(await decide(asking([read, write], [read], undefined, true), createCeilingPolicy())).toMatchObject({
      effect: "allow",
      granted: [read],
      refused: [write],
    });
    expect(await decide(asking([write], [read], undefined, true), createCeilingPolicy())).toMatchObject({
      effect: "deny",
    });
  });

  test("a decision names the entry's revision it was made on", async () => {
    const decided = await decide(asking([read], [read]), createCeilingPolicy());
    expect(decided.determiningPolicies).toContain("ceiling:entry_1@4");
  });
});
