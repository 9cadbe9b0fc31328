import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { createCedarEngine } from "../../../src/adapters/policy-cedar/cedar-engine.ts";
import type { Segment } from "../../../src/domain/spiffe-id.ts";
import type { PolicyRequest } from "../../../src/ports/policy-engine.ts";
import { elementOf, requestOf, stepName } from "../../samples/policy-request.ts";
import { asking, setOf } from "./sets.ts";

const engine = createCedarEngine();
afterAll(() => engine.close());

async function ask(policies: string, over: Partial<PolicyRequest>) {
  await engine.load(policies, setOf(policies));
  return engine.evaluate(policies, requestOf(over));
}

const PERMIT = '@id("ceiling") permit (principal, action, resource);\n';

describe("a policy is swapped for one with an error", () => {
  test("of syntax, name or type: it is not loaded, and the one before stays", async () => {
    await using asked = await asking(
      setOf(`${PERMIT}@id("guard") forbid (principal, action == Action::"read", resource);`),
    );
    for (const broken of [
      'forbid (principal, action == Action::"read", resource',
      'forbid (principal, action == Action::"reed", resource);',
      'forbid (principal, action == Action::"read", resource) when { context.depth == "0" };',
      'forbid (principal, action == Action::"read", resource) when { context has princpal };',
    ]) {
      await expect(asked.engine.load("swapped", setOf(PERMIT + broken))).rejects.toMatchObject({
        code: "INVALID_FIELD",
      });
      await expect(asked.engine.evaluate("swapped", requestOf())).rejects.toMatchObject({ code: "NOT_SERVING" });
    }
    expect((await asked.ask()).elements).toEqual([{ effect: "deny", policies: ["guard"] }]);
  });

  test("that shows only when it is asked: everything that it is asked on is denied", async () => {
    const swapped = `${PERMIT}@id("guard") forbid (principal, action, resource) when { context.depth * 9223372036854775807 > 0 && false };`;
    // What is impossible is found; the same behind a question that could go either way is not.
    await expect(engine.load("impossible", setOf(swapped))).rejects.toMatchObject({ code: "INVALID_FIELD" });
    const hidden = swapped.replace("&& false", "&& context.steps > 5");
    const { whole, elements } = await ask(hidden, { depth: 2 });
    expect(whole).toEqual({ effect: "deny", policies: [], errors: ["guard"] });
    expect(elements).toEqual([{ effect: "deny", policies: [], errors: ["guard"] }]);
  });

  test("is not hidden by a scope or condition behind it that leaves this agent out", async () => {
    const broken = `${PERMIT}@id("guard") forbid (principal, action == Action::"read", resource)
      when { context.depth * 9223372036854775807 > 0 && principal == Agent::"other" };`;
    expect((await ask(broken, { depth: 2 })).elements).toEqual([{ effect: "deny", policies: [], errors: ["guard"] }]);
    const behind = broken.replace('&& principal == Agent::"other" }', '} when { principal == Agent::"other" }');
    expect((await ask(behind, { depth: 2 })).elements).toEqual([{ effect: "deny", policies: [], errors: ["guard"] }]);
  });
});

describe("a policy that reads an attribute that is not there", () => {
  test.for([
    { what: "of the context", text: "context.nothing == 1" },
    { what: "that is optional, unguarded", text: 'context.workflow == "w"' },
    { what: "of an agent", text: 'principal.owner == "x"' },
    { what: "of a tool", text: 'resource.owner == "x"' },
    { what: "of a principal", text: 'context has principal && context.principal.email == "x"' },
    {
      what: "that is a claim, unguarded",
      text: 'context has principal && context.principal.getTag("groups").contains("x")',
    },
    { what: "of a server, where none is asked about", text: 'context.server.host == "x"' },
  ])("$what is not loaded", async ({ text }) => {
    const set = setOf(`${PERMIT}forbid (principal, action, resource) when { ${text} };`);
    await expect(engine.load(text, set)).rejects.toMatchObject({ code: "INVALID_FIELD" });
  });
});

describe("what a caller names stays data", () => {
  const evil = [
    '"); permit(principal, action, resource); //',
    '" || true || "',
    "admin",
    "*",
    'Tool::"admin"',
    "__entity",
    "__extn",
    "__proto__",
    "constructor",
    '{"__entity":{"type":"Tool","id":"admin"}}',
    "admin\u0000",
    "\u202eadmin",
    "ａｄｍｉｎ",
    "admin ",
    "\n",
  ];
  const admin = `permit (principal, action == Action::"read", resource == Tool::"admin");
    permit (principal, action == Action::"open_step", resource in Run::"admin");
    permit (principal == Agent::"admin", action == Action::"delegate", resource);
    permit (principal, action == Action::"write", resource) when { context has principal &&
      (context.principal == Principal::"https://idp.example.org#admin" || context.principal.sub == "admin" ||
       (context.principal.hasTag("role") && context.principal.getTag("role").contains("admin"))) };`;

  test.for(evil)("in the name of a tool: %j", async (identifier) => {
    const { elements } = await ask(admin, { requested: [elementOf({ identifier })] });
    expect(elements[0]?.effect).toBe(identifier === "admin" ? "allow" : "deny");
  });

  test.for(evil)("in the id of a run, the name of a step, a workflow, a selector: %j", async (text) => {
    const over = { name: stepName(text, text), workflow: text, selectors: [text], runtime: text as Segment };
    expect((await ask(admin, over)).whole.effect).toBe(text === "admin" ? "allow" : "deny");
  });

  test.for(evil)("in a claim, its name, or the subject: %j", async (text) => {
    const write = { requested: [elementOf({ actions: ["write"] })] };
    const as = (sub: string, claims: NonNullable<PolicyRequest["principal"]>["claims"]) =>
      ask(admin, { ...write, principal: { iss: "https://idp.example.org", sub, claims } });
    const effect = text === "admin" ? "allow" : "deny";
    expect((await as("alice", { role: text })).elements[0]?.effect).toBe(effect);
    expect((await as("alice", { role: [text, "user"] })).elements[0]?.effect).toBe(effect);
    expect((await as(text, {})).elements[0]?.effect).toBe(effect);
    expect((await as("alice", Object.fromEntries([[text, "admin"]]))).elements[0]?.effect).toBe("deny");
  });

  test("in an issuer: two principals never are one", async () => {
    const { elements } = await ask(admin, {
      requested: [elementOf({ actions: ["write"] })],
      principal: { iss: "https://idp.example.org", sub: "x#admin", claims: {} },
    });
    expect(elements[0]?.effect).toBe("deny");
    const fragment = ask(admin, {
      principal: { iss: "https://idp.example.org#x", sub: "admin", claims: {} },
      requested: [elementOf({ actions: ["write"] })],
    });
    await expect(fragment).rejects.toMatchObject({ code: "INVALID_FIELD" });
  });

  test("whatever it is, it permits nothing: any text where a name belongs", async () => {
    const text = fc.string({ unit: "binary", minLength: 1, maxLength: 40 }).filter((one) => one !== "admin");
    await fc.assert(
      fc.asyncProperty(text, async (name) => {
        const answer = await ask(admin, {
          agent: name as Segment,
          name: stepName(name, name),
          requested: [elementOf({ identifier: name, datatypes: [name], actions: ["read", "write"] })],
          principal: { iss: "https://idp.example.org", sub: name, claims: { role: name, [name]: name } },
        }).catch((thrown: unknown) => thrown);
        // A text that is no Unicode can't be put to the library at all, and a throw is a deny too.
        if (answer instanceof Error) return expect(name.isWellFormed()).toBe(false);
        expect(answer).toMatchObject({ whole: { effect: "deny" }, elements: [{ effect: "deny" }] });
      }),
      { numRuns: 200 },
    );
  });
});
