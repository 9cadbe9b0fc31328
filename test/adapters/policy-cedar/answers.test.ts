import { afterAll, describe, expect, test } from "vitest";
import { createCedarEngine } from "../../../src/adapters/policy-cedar/cedar-engine.ts";
import type { PolicyEffect, PolicyRequest } from "../../../src/ports/policy-engine.ts";
import { elementOf, requestOf, SEARCH, stepName } from "../../samples/policy-request.ts";
import { setOf } from "./sets.ts";

const PERMIT = '@id("ceiling") permit (principal, action, resource);\n';

const engine = createCedarEngine();
afterAll(() => engine.close());

async function answer(policies: string, over: Partial<PolicyRequest> = {}) {
  await engine.load(policies, setOf(policies));
  return engine.evaluate(policies, requestOf(over));
}
async function element(policies: string, over: Partial<PolicyRequest> = {}): Promise<PolicyEffect | undefined> {
  return (await answer(policies, over)).elements[0];
}

describe("what no policy permits", () => {
  test("is denied by no policy: of an empty set everything", async () => {
    const nothing = { effect: "deny", policies: [] };
    expect(await answer("")).toEqual({ whole: nothing, elements: [nothing] });
  });

  test("is denied for the step though its element is permitted", async () => {
    const read = '@id("read") permit (principal, action == Action::"read", resource);';
    expect(await answer(read)).toEqual({
      whole: { effect: "deny", policies: [] },
      elements: [{ effect: "allow", policies: ["read"] }],
    });
  });

  test("is an element one of whose servers, actions or classes of data is not permitted", async () => {
    const narrow = `permit (principal, action == Action::"read", resource)
      when { context.server == Server::"${SEARCH}" && context.dataClass == DataClass::"public" };`;
    expect((await element(narrow))?.effect).toBe("allow");
    const other = "https://other.example.org";
    for (const over of [
      { locations: [SEARCH, other] },
      { actions: ["read", "write"] as const },
      { datatypes: ["public", "pii"] },
    ]) {
      expect((await element(narrow, { requested: [elementOf(over)] }))?.effect).toBe("deny");
    }
  });

  test("is an element that names nothing", async () => {
    expect(await element(PERMIT, { requested: [elementOf({ actions: [] })] })).toEqual({
      effect: "deny",
      policies: [],
    });
  });
});

describe("what is asked of the whole", () => {
  const noHop = '@id("no-hop") forbid (principal, action == Action::"delegate", resource in Run::"run-9");';
  const parent = { agent: "planner" as PolicyRequest["agent"], name: stepName("run-9") };

  test("is the hop too, of the parent's step, where there is a parent", async () => {
    expect((await answer(PERMIT + noHop)).whole.effect).toBe("allow");
    expect((await answer(PERMIT + noHop, { parent, depth: 1 })).whole).toEqual({
      effect: "deny",
      policies: ["no-hop"],
    });
  });

  test("is nothing where one tool is called of a step that is open", async () => {
    expect(
      (await answer('forbid (principal, action == Action::"open_step", resource);', { act: "call" })).whole,
    ).toEqual({
      effect: "allow",
      policies: [],
    });
  });
});

describe("any tool of a server", () => {
  const any = { requested: [elementOf({ identifier: "*", actions: ["write"] })] };

  test.for([
    { what: "no policy tells tools apart", policies: PERMIT, effect: "allow" },
    {
      what: "a tool of that name is permitted alone",
      policies: 'permit (principal, action, resource == Tool::"*");',
      effect: "allow",
    },
    {
      what: "a named tool is permitted alone",
      policies: 'permit (principal, action, resource == Tool::"search");',
      effect: "deny",
    },
    {
      what: "the permit looks at the tool",
      policies: 'permit (principal, action, resource) unless { resource == Tool::"drop" };',
      effect: "deny",
    },
    {
      what: "the permit looks at the tool's name",
      policies: 'permit (principal, action, resource is Tool) when { resource.name like "*" };',
      effect: "deny",
    },
    {
      what: "a named tool is forbidden",
      policies: `${PERMIT}forbid (principal, action, resource == Tool::"drop");`,
      effect: "deny",
    },
    {
      what: "a named tool is forbidden by a condition",
      policies: `${PERMIT}forbid (principal, action, resource) when { resource == Tool::"drop" };`,
      effect: "deny",
    },
    {
      what: "all tools but one are forbidden",
      policies: `${PERMIT}forbid (principal, action, resource) unless { resource == Tool::"search" };`,
      effect: "deny",
    },
    {
      what: "names of a kind are forbidden",
      policies: `${PERMIT}forbid (principal, action, resource is Tool) when { resource.name like "drop_*" };`,
      effect: "deny",
    },
    {
      what: "a named tool is forbidden beside others",
      policies: `${PERMIT}forbid (principal, action, resource) when { context.requested.tools.contains(Tool::"drop") };`,
      effect: "deny",
    },
    {
      what: "a named tool is forbidden by a number that JavaScript can't hold",
      policies: `${PERMIT}forbid (principal, action, resource == Tool::"drop") when { context.steps < 9223372036854775807 };`,
      effect: "deny",
    },
    {
      what: "a number that JavaScript can't hold stands in a policy that tells no tools apart",
      policies: `${PERMIT}forbid (principal, action, resource) when { context.steps == 9007199254740993 };`,
      effect: "allow",
    },
    {
      what: "what a named tool is forbidden by can't be evaluated, and would come before what lets it pass",
      policies: `${PERMIT}forbid (principal, action, resource == Tool::"drop")
        when { context.steps + 9223372036854775807 > 0 && context.confined };`,
      effect: "deny",
    },
    {
      what: "what a named tool is forbidden by can't be evaluated, in a clause before the one that lets it pass",
      policies: `${PERMIT}forbid (principal, action, resource)
        unless { resource == Tool::"drop" && context.steps + 9223372036854775807 > 0 } when { context.confined };`,
      effect: "deny",
    },
    {
      what: "what could not be evaluated of a named tool's forbid comes after what lets the tool pass",
      policies: `${PERMIT}forbid (principal, action, resource == Tool::"drop")
        when { context.confined && context.steps + 9223372036854775807 > 0 };`,
      effect: "allow",
    },
    {
      what: "a named tool is forbidden at another server",
      policies: `${PERMIT}forbid (principal, action, resource == Tool::"drop") when { context.server == Server::"https://x.example" };`,
      effect: "allow",
    },
    {
      what: "a named tool is forbidden to another agent",
      policies: `${PERMIT}forbid (principal == Agent::"other", action, resource == Tool::"drop");`,
      effect: "allow",
    },
    {
      what: "a named tool is forbidden another action",
      policies: `${PERMIT}forbid (principal, action == Action::"read", resource == Tool::"drop");`,
      effect: "allow",
    },
    {
      what: "a named tool is forbidden while the risk is high",
      policies: `${PERMIT}forbid (principal, action, resource == Tool::"drop") when { context.risk.run == RiskLevel::"high" };`,
      effect: "allow",
    },
  ])("is answered $effect where $what", async ({ policies, effect }) => {
    expect((await element(policies, any))?.effect).toBe(effect);
  });
});

describe("a policy that can't be evaluated", () => {
  const fails = "when { context.steps + 9223372036854775807 > 0 }";
  const facts = { classes: [], actions: [], steps: 1, stepsOpen: 0 };

  test("denies what others permit, and is named", async () => {
    const set = `${PERMIT}@id("broken") forbid (principal, action == Action::"read", resource) ${fails};`;
    expect(await element(set, { facts })).toEqual({ effect: "deny", policies: [], errors: ["broken"] });
    expect(await element(set)).toEqual({ effect: "deny", policies: ["broken"] });
  });

  test("denies though it is a permit that another makes needless", async () => {
    const set = `${PERMIT}@id("broken") permit (principal, action == Action::"read", resource) ${fails};`;
    expect(await element(set, { facts })).toEqual({ effect: "deny", policies: [], errors: ["broken"] });
  });

  test("is named beside the policies that deny anyway, and can't be approved away", async () => {
    const set = `${PERMIT}@id("b") forbid (principal, action, resource) ${fails};
      @id("a") forbid (principal, action, resource) ${fails};
      @id("ask") @approval("operators") forbid (principal, action, resource);`;
    expect(await element(set, { facts })).toEqual({ effect: "deny", policies: ["ask"], errors: ["a", "b"] });
  });
});

describe("approval", () => {
  const ask = '@id("ask") @approval("operators") forbid (principal, action == Action::"write", resource);\n';
  const writes = { requested: [elementOf({ actions: ["write"] })] };

  test("can help where nothing else stands in the way", async () => {
    expect(await element(PERMIT + ask, writes)).toEqual({ effect: "deny", policies: ["ask"], approval: "operators" });
  });

  test.for([
    {
      where: "another policy forbids it too",
      policies: `${PERMIT}${ask}@id("never") forbid (principal, action, resource);`,
    },
    {
      where: "an action beside it is forbidden",
      policies: `${PERMIT}${ask}forbid (principal, action == Action::"execute", resource);`,
    },
  ])("can't help where $where", async ({ policies }) => {
    const answered = await element(policies, { requested: [elementOf({ actions: ["write", "execute"] })] });
    expect(answered?.effect).toBe("deny");
    expect(answered).not.toHaveProperty("approval");
  });

  test("can't help where no policy would permit it", async () => {
    expect(await element(ask, writes)).toEqual({ effect: "deny", policies: ["ask"] });
  });

  test("is said of each element for itself", async () => {
    const { elements } = await answer(PERMIT + ask, { requested: [elementOf(), elementOf({ actions: ["write"] })] });
    expect(elements.map((one) => [one.effect, one.approval])).toEqual([
      ["allow", undefined],
      ["deny", "operators"],
    ]);
  });

  test("sets aside the policies that it was given for, and none beside them that asks for the same role", async () => {
    const set = `${PERMIT}${ask}@id("too") @approval("operators") forbid (principal, action == Action::"write", resource);`;
    const given = { ...writes, approved: "operators" };
    for (let again = 0; again < 2; again += 1) {
      const denied = { effect: "deny", policies: ["too"], approval: "operators" };
      expect(await element(set, { ...given, approvedPolicies: ["ask"] })).toEqual(denied);
      expect((await element(set, { ...given, approvedPolicies: ["ask", "too"] }))?.effect).toBe("allow");
      expect((await element(set, { ...given, approvedPolicies: [] }))?.policies).toEqual(["ask", "too"]);
      // As it is recorded of approvals from before.
      expect((await element(set, given))?.effect).toBe("allow");
    }
  });

  test("can help where any tool is asked for", async () => {
    const any = { requested: [elementOf({ identifier: "*", actions: ["write"] })] };
    expect((await element(PERMIT + ask, any))?.approval).toBe("operators");
  });
});

test("policies that determined an answer are sorted, whatever order the engine has", async () => {
  const many = Array.from({ length: 12 }, (_, index) => `@id("p${11 - index}") permit (principal, action, resource);`);
  const policies = (await element(many.join("\n")))?.policies;
  expect(policies).toHaveLength(12);
  expect(policies).toEqual([...(policies ?? [])].sort());
});

describe("a principal", () => {
  const finance = `permit (principal, action, resource)
    when { context has principal && context.principal.hasTag("groups") && context.principal.getTag("groups").contains("finance") };`;
  const working = (claims: NonNullable<PolicyRequest["principal"]>["claims"]) => ({
    principal: { iss: "https://idp.example.org", sub: "alice", claims },
  });

  test.for([
    { of: "in the group", claims: { groups: ["staff", "finance"] }, effect: "allow" },
    { of: "with that text as its only group", claims: { groups: "finance" }, effect: "allow" },
    { of: "in another group", claims: { groups: ["sales"] }, effect: "deny" },
    { of: "without groups", claims: {}, effect: "deny" },
  ])("$of is answered $effect", async ({ claims, effect }) => {
    expect((await element(finance, working(claims as Record<string, string | string[]>)))?.effect).toBe(effect);
  });

  test("is absent where a step works for nobody", async () => {
    expect((await element(finance))?.effect).toBe("deny");
  });

  test("has its numbers and booleans in their JSON form", async () => {
    const form = `permit (principal, action, resource) when { context has principal &&
      context.principal.hasTag("level") && context.principal.getTag("level") == ["3"] &&
      context.principal.hasTag("admin") && context.principal.getTag("admin") == ["true"] };`;
    expect((await element(form, working({ level: 3, admin: true })))?.effect).toBe("allow");
  });
});
