import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ACTIONS, type Action } from "../../../src/domain/grant.ts";
import { RISK_LEVELS, type RiskLevel } from "../../../src/domain/risk.ts";
import type { Segment } from "../../../src/domain/spiffe-id.ts";
import type { PolicyRequest } from "../../../src/ports/policy-engine.ts";
import { elementOf, SEARCH, stepName } from "../../samples/policy-request.ts";
import { type Asking, asking, baselineSet } from "./sets.ts";

let baseline: Asking;
beforeAll(async () => {
  baseline = await asking(await baselineSet());
});
afterAll(async () => {
  await baseline[Symbol.asyncDispose]();
});

/** Effect and policies of the only element. */
async function element(over: Partial<PolicyRequest>) {
  const { elements } = await baseline.ask(over);
  const [first] = elements;
  return first;
}

const allowed = { effect: "allow", policies: ["baseline.ceiling"] };
const denied = (...policies: string[]) => ({ effect: "deny", policies });
const parent = { agent: "planner" as Segment, name: stepName() };
const acting = (...actions: Action[]) => ({ requested: [elementOf({ actions })] });

describe("the baseline", () => {
  test.for(ACTIONS)("allows what the ceiling allows: %s alone, while nothing stands against it", async (action) => {
    expect(await baseline.ask(acting(action))).toEqual({ whole: allowed, elements: [allowed] });
  });

  test.for<readonly [Action, Action]>([
    ["write", "retrieve_secret"],
    ["write", "move_data"],
    ["retrieve_secret", "move_data"],
  ])("keeps %s and %s apart: in one element and in two", async ([one, other]) => {
    expect(await element(acting(one, other))).toEqual(denied("baseline.separation"));
    const apart = await baseline.ask({
      requested: [elementOf({ actions: [one] }), elementOf({ actions: [other], identifier: "other" })],
    });
    expect(apart.elements).toEqual([denied("baseline.separation"), denied("baseline.separation")]);
  });

  test.for<readonly [Action, Action]>([
    ["read", "write"],
    ["execute", "move_data"],
    ["read", "retrieve_secret"],
  ])("lets %s and %s be in one step", async ([one, other]) => {
    expect(await element(acting(one, other))).toEqual(allowed);
  });

  test("answers an element that is harmless beside two that are kept apart", async () => {
    const { whole, elements } = await baseline.ask({
      requested: [elementOf(), elementOf({ actions: ["write"] }), elementOf({ actions: ["move_data"] })],
    });
    expect(whole).toEqual(allowed);
    expect(elements).toEqual([allowed, denied("baseline.separation"), denied("baseline.separation")]);
  });

  const scopes = ["domain", "agent", "run"] as const;
  const risky = (scope: (typeof scopes)[number], level: RiskLevel) => ({
    risk: { domain: "low", agent: "low", run: "low", [scope]: level } as const,
  });

  test.for(scopes.flatMap((scope) => ACTIONS.map((action) => ({ scope, action }))))(
    "lets nothing but read through while the risk of the $scope is elevated: $action",
    async ({ scope, action }) => {
      const { whole, elements } = await baseline.ask({ ...acting(action), ...risky(scope, "elevated") });
      expect(whole).toEqual(allowed);
      expect(elements).toEqual([action === "read" ? allowed : denied("baseline.elevated-risk")]);
    },
  );

  test.for(scopes)("lets nothing through while the risk of the %s is high: no step, no hop, no call", async (scope) => {
    for (const act of ["open", "judge", "call"] as const) {
      const { whole, elements } = await baseline.ask({ act, ...risky(scope, "high"), parent, depth: 1 });
      if (act !== "call") expect(whole).toEqual(denied("baseline.high-risk"));
      expect(elements).toEqual([denied("baseline.high-risk")]);
    }
  });

  test("takes the highest of the three risks", async () => {
    for (const domain of RISK_LEVELS) {
      const { effect } = (await baseline.ask({ risk: { domain, agent: "high", run: "elevated" } })).whole;
      expect(effect).toBe("deny");
    }
  });

  test.for<Action>(["write", "execute", "move_data"])(
    "keeps %s of a confined run within its servers",
    async (action) => {
      expect(await element({ ...acting(action), confinedTo: [] })).toEqual(denied("baseline.ratchet"));
      expect(await element({ ...acting(action), confinedTo: [SEARCH] })).toEqual(allowed);
      expect(await element({ ...acting(action), confinedTo: ["https://other.example.org"] })).toEqual(
        denied("baseline.ratchet"),
      );
      const both = elementOf({ actions: [action], locations: [SEARCH, "https://other.example.org"] });
      expect(await element({ requested: [both], confinedTo: [SEARCH] })).toEqual(denied("baseline.ratchet"));
    },
  );

  test.for<Action>(["read", "retrieve_secret"])("leaves %s of a confined run alone", async (action) => {
    expect(await element({ ...acting(action), confinedTo: [] })).toEqual(allowed);
  });

  test("lets a step be delegated three deep and no deeper", async () => {
    for (const depth of [1, 2, 3]) expect((await baseline.ask({ depth, parent })).whole).toEqual(allowed);
    expect((await baseline.ask({ depth: 4, parent })).whole).toEqual(denied("baseline.delegation-depth"));
    expect((await baseline.ask({ act: "judge", depth: 4, parent })).whole).toEqual(denied("baseline.delegation-depth"));
  });
});
