import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withExternal } from "../../../src/decide/with-external.ts";
import { ACTIONS, type GrantElement } from "../../../src/domain/grant.ts";
import { POLICY_MEMBERS_DEFAULT } from "../../../src/domain/policy-members.ts";
import { RISK_LEVELS } from "../../../src/domain/risk.ts";
import type { Segment } from "../../../src/domain/spiffe-id.ts";
import { POLICY_ACTS, type PolicyAnswer, type PolicyRequest } from "../../../src/ports/policy-engine.ts";
import { type Asking, asking, baselineSet } from "../../adapters/policy-cedar/sets.ts";
import { deniedFor, opaAt } from "../../adapters/policy-opa/opa-scene.ts";
import { elementOf, requestOf } from "../../samples/policy-request.ts";
import {
  BASELINE_REGO,
  buildOpa,
  OPA_BUILD_MS_MAX,
  OPA_PROGRAM,
  type OpaServer,
  opaIsMissing,
  startOpa,
} from "./opa-server.ts";

const SEARCH = elementOf();

// Goal: whoever moves from one baseline to the other, or asks both, is decided upon as before.
// Method: fast-check draws requests in which each rule of the baseline bites often, and both engines answer each of them. A failure
// prints its seed.

const SERVERS = ["https://a.example.org", "https://b.example.org", "https://c.example.org"];
const NAMES = ["ceiling", "delegation-depth", "elevated-risk", "high-risk", "ratchet", "separation"];
/** Enough for each rule to bite; the test fails where one never did. */
const REQUESTS = 600;

const element: fc.Arbitrary<GrantElement> = fc.record({
  type: fc.constant("mcp_tool"),
  locations: fc.subarray(SERVERS, { minLength: 1 }),
  identifier: fc.constantFrom("search", "fetch", "*"),
  actions: fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(...ACTIONS).map((one) => [one]) },
    fc.subarray([...ACTIONS], { minLength: 1 }),
  ),
  datatypes: fc.subarray(["public", "internal"], { minLength: 1 }),
});
const level = fc.constantFrom(...RISK_LEVELS, "low" as const, "low" as const, "low" as const);
const parent = { agent: "planner" as Segment, name: requestOf().name };

const request: fc.Arbitrary<PolicyRequest> = fc
  .record({
    act: fc.constantFrom(...POLICY_ACTS),
    requested: fc.array(element, { minLength: 1, maxLength: 4 }),
    risk: fc.record({ domain: level, agent: level, run: level }),
    depth: fc.nat(5),
    confinedTo: fc.option(fc.subarray(SERVERS), { nil: undefined }),
  })
  .chain(({ confinedTo, ...made }) =>
    fc.subarray(made.requested).map((elements) =>
      requestOf({
        ...made,
        elements,
        ...(made.depth === 0 ? {} : { parent }),
        ...(confinedTo === undefined ? {} : { confinedTo }),
      }),
    ),
  );

/** Policies are named for the whole of a call in one engine alone: it is not in question there. */
function comparable({ whole, elements }: PolicyAnswer, { act }: PolicyRequest): PolicyAnswer {
  return { whole: act === "call" ? { ...whole, policies: [] } : whole, elements };
}

describe.skipIf(opaIsMissing())("the baseline in Rego", () => {
  let server: OpaServer;
  let cedar: Asking;
  const opaAsked = (send = POLICY_MEMBERS_DEFAULT) => opaAt(`http://127.0.0.1:${server.port}`, { send }).opa;

  beforeAll(async () => {
    await buildOpa();
    server = await startOpa(BASELINE_REGO);
    cedar = await asking(await baselineSet());
  }, OPA_BUILD_MS_MAX);
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await cedar?.[Symbol.asyncDispose]();
  });

  test("decides as the one in Cedar does, by policies of the same names, and so do both together", async () => {
    const opa = opaAsked();
    const both = withExternal(cedar.engine, opa);
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(request, async (asked) => {
        const expected = comparable(await cedar.engine.evaluate("root", asked), asked);
        const answer = await opa.evaluate(asked);
        expect(comparable(answer, asked)).toEqual(expected);
        const together = comparable(await both.evaluate("root", asked), asked);
        expect(together.whole.effect).toBe(expected.whole.effect);
        expect(together.elements).toEqual(
          expected.elements.map(({ effect, policies }) => ({
            effect,
            policies: [...policies, ...policies.map((one) => `opa:${one}`)].sort(),
          })),
        );
        for (const { policies } of [answer.whole, ...answer.elements]) for (const one of policies) seen.add(one);
      }),
      { numRuns: REQUESTS },
    );
    expect([...seen].sort()).toEqual(NAMES.map((name) => `baseline.${name}`));
  });

  test.for(["act", "parent", "requested", "depth", "confined_to", "risk"] as const)(
    "decides nothing where it is not told the %s, since what it is not told forbids nothing",
    async (left) => {
      const opa = opaAsked(POLICY_MEMBERS_DEFAULT.filter((member) => member !== left));
      expect(await opa.evaluate(requestOf())).toEqual(deniedFor("undefined"));
    },
  );

  test("decides on what it is told by default, and needs nothing else", async () => {
    const opa = opaAsked(["act", "parent", "requested", "elements", "depth", "confined_to", "risk"]);
    expect(await opa.evaluate(requestOf())).toMatchObject({ whole: { effect: "allow" } });
  });

  test("is joined by a site's own rules, which can only take away", async () => {
    const site = new URL("site.rego", import.meta.url).pathname;
    await using own = await startOpa(BASELINE_REGO, site);
    const { opa } = opaAt(`http://127.0.0.1:${own.port}`);
    const forbidden = { effect: "deny", policies: ["site.no-payroll"] };
    const allowed = { effect: "allow", policies: ["baseline.ceiling"] };
    const requested = [SEARCH, { ...SEARCH, identifier: "payroll" }];
    expect(await opa.evaluate(requestOf({ requested }))).toEqual({
      whole: allowed,
      elements: [allowed, forbidden],
    });
    const risk = { domain: "low", agent: "high", run: "low" } as const;
    expect((await opa.evaluate(requestOf({ requested, risk }))).elements).toEqual([
      { effect: "deny", policies: ["baseline.high-risk"] },
      { effect: "deny", policies: ["baseline.high-risk", "site.no-payroll"] },
    ]);
  });

  test("is written as OPA formats it, and has nothing that OPA warns about", () => {
    execFileSync(OPA_PROGRAM, ["check", "--strict", BASELINE_REGO]);
    expect(execFileSync(OPA_PROGRAM, ["fmt", "--diff", BASELINE_REGO]).toString()).toBe("");
  });
});
