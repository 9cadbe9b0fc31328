import { afterAll, describe, expect, test } from "vitest";
import { createCedarEngine } from "../../../src/adapters/policy-cedar/cedar-engine.ts";
import { readPolicies } from "../../../src/adapters/policy-cedar/read-policies.ts";
import { NO_DATA_CLASSES } from "../../../src/domain/data-classes.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import { elementOf, requestOf } from "../../samples/policy-request.ts";
import { setOf } from "./sets.ts";

const engine = createCedarEngine();
afterAll(() => engine.close());

/** Findings as `line:column policy: message`. */
async function findingsOf(text: string): Promise<readonly string[]> {
  const findings = await engine.check(setOf(text));
  expect(findings.every(({ file }) => file === "site.cedar")).toBe(true);
  return findings.map(({ line, column, policyId, message }) => `${line}:${column} ${policyId}: ${message}`);
}

test("the policies that come with Stint are without a finding", async () => {
  const { policies, findings } = await readPolicies({ baseline: true });
  expect(findings).toEqual([]);
  expect(await engine.check({ policies, dataClasses: NO_DATA_CLASSES })).toEqual([]);
});

describe("a set is refused, with the place of", () => {
  test.for([
    {
      what: "a character that belongs nowhere",
      text: "// é, which takes two bytes\npermit (principal, acti0n, resource);",
      finding:
        "2:20 site.1: found an invalid variable in the policy scope: acti0n; policy scopes must contain a `principal`, `action`, and `resource` element in that order",
    },
    {
      what: "an error in the second policy of a line",
      text: "permit (principal, action, resource); permit (principal, action, resourc);",
      finding:
        "1:66 site.2: found an invalid variable in the policy scope: resourc; policy scopes must contain a `principal`, `action`, and `resource` element in that order",
    },
    {
      what: "a policy that does not end",
      text: "permit (principal, action, resource)\nforbid (principal, action, resource);",
      finding: "2:8 site.1: unexpected token `(`; expected `{`",
    },
    {
      what: "an attribute that there is not",
      text: 'permit (principal, action == Action::"read", resource)\n  when { context.risk.hihgest == RiskLevel::"low" };',
      finding: '2:10 site.1: attribute `risk.hihgest` in context for Action::"read" not found; did you mean `highest`?',
    },
    {
      what: "an attribute that some of the actions have not, once",
      text: 'permit (principal, action in [Action::"open_step", Action::"delegate"], resource)\n  when { context.server == Server::"x" };',
      finding: '2:10 site.1: attribute `server` in context for Action::"delegate", Action::"open_step" not found',
    },
    {
      what: "an optional attribute that was not asked for with `has`",
      text: 'permit (principal, action, resource) when { context.workflow == "w" };',
      finding: "1:45 site.1: unable to guarantee safety of access to optional attribute",
    },
    {
      what: "a word that there is not",
      text: 'permit (principal, action, resource) when { context.risk.run == RiskLevel::"elevted" };',
      finding: '1:65 site.1: entity `RiskLevel::"elevted"` is of an enumerated entity type',
    },
    {
      what: "a type of entity that there is not",
      text: 'permit (principal == Agnt::"x", action, resource);',
      finding: "1:22 site.1: unrecognized entity type `Agnt`",
    },
    {
      what: "a text where a number belongs",
      text: 'permit (principal, action, resource) when { context.depth < "3" };',
      finding: "1:61 site.1: unexpected type",
    },
    {
      what: "a name that is misspelt behind `has`",
      text: "permit (principal, action, resource) when { context has workflwo };",
      finding: "1:1 site.1: policy is impossible",
    },
    {
      what: "a name that is misspelt behind `has`, where that makes a permit wider",
      text: "permit (principal, action, resource) unless { context has workflwo && context.depth > 1 };",
      finding: "1:1 site.1: context has workflwo: no context ever has that",
    },
    {
      what: "a template",
      text: "permit (principal, action, resource == ?resource);",
      finding: "1:40 site.1: expected a static policy, got a template",
    },
    {
      what: "an annotation that there is not",
      text: '@aproval("operators") forbid (principal, action, resource);',
      finding: "1:1 site.1: @aproval: expected no annotation but id, approval",
    },
    {
      what: "a role that can't approve",
      text: '@approval("operator") forbid (principal, action, resource);',
      finding: "1:1 site.1: @approval: expected one of operators",
    },
    {
      what: "an approval without a role",
      text: "@approval forbid (principal, action, resource);",
      finding: "1:1 site.1: @approval: expected one of operators",
    },
    {
      what: "an approval of what is permitted",
      text: '@approval("operators") permit (principal, action, resource);',
      finding: "1:1 site.1: @approval: expected on a forbid, not on a permit",
    },
    {
      what: "an id that is there twice",
      text: '@id("a") permit (principal, action, resource);\n@id("a") forbid (principal, action, resource);',
      finding: "2:1 a: another policy of the set has this id too",
    },
  ])("$what", async ({ text, finding }) => {
    const findings = await findingsOf(text);
    expect(
      findings.some((one) => one.startsWith(finding)),
      findings.join("\n"),
    ).toBe(true);
    await expect(engine.load(text, setOf(text))).rejects.toMatchObject({
      code: "INVALID_FIELD",
      metadata: { field: "policies" },
    });
  });

  test("each fault, in the order of the file", async () => {
    const text = `permit (principal, action, resource) when { context.a == 1 };
permit (principal, action, resource);
permit (principal, action == Action::"raed", resource);`;
    const places = (await findingsOf(text)).map((one) => one.split(" ")[0]);
    expect(places).toEqual(["1:45", "3:30"]);
  });

  test("an id that Cedar reads otherwise than we do", async () => {
    const [policy] = setOf('@id("real") permit (principal, action, resource);').policies;
    if (policy === undefined) throw new Error("no policy");
    const findings = await engine.check({ policies: [{ ...policy, policyId: "other" }], dataClasses: NO_DATA_CLASSES });
    expect(findings.map(({ message }) => message)).toEqual(["@id: the policy is not known by this id"]);
  });

  test("a policy that is too large, by whatever way it came", async () => {
    const text = `permit (principal, action, resource); //${"x".repeat(LIMITS.policyBytesMax)}`;
    const findings = await engine.check({
      policies: [{ policyId: "big", file: "f", line: 1, text }],
      dataClasses: NO_DATA_CLASSES,
    });
    expect(findings.map(({ message }) => message)).toEqual([`expected at most ${LIMITS.policyBytesMax} bytes`]);
  });

  const deep = (count: number) => `${"(".repeat(count)}true${")".repeat(count)}`;
  const long = (count: number) => Array.from({ length: count }, () => "context.depth == 1").join(" || ");
  const inPolicy = (condition: string) => `permit (principal, action, resource) when { ${condition} };`;

  test.for([
    { what: "brackets in each other", condition: deep(100), message: "expected at most 24 brackets in each other" },
    { what: "operators", condition: long(200), message: "expected at most 160 operators" },
    { what: "attributes", condition: `context${".a".repeat(400)}`, message: "expected at most 320 attributes" },
    {
      what: "ifs in each other",
      condition: `${"if context.confined then true else ".repeat(200)}true`,
      message: "expected at most 160",
    },
  ])(
    "more $what than the engine has room for: everybody else is answered as before",
    async ({ condition, message }) => {
      await engine.load("before", setOf("permit (principal, action, resource);"));
      expect((await engine.check(setOf(inPolicy(condition))))[0]?.message).toContain(message);
      expect((await engine.evaluate("before", requestOf())).whole.effect).toBe("allow");
    },
  );

  test("no policy whose brackets and operators the engine has room for, all at their most", async () => {
    const nested = `${"(".repeat(22)}${long(78)}${")".repeat(22)}`;
    const dotted = Array.from({ length: 50 }, () => "context.risk.highest").join(", ");
    const text = inPolicy(`${nested} && [${dotted}].contains(context.risk.run)`);
    expect(await engine.check(setOf(text))).toEqual([]);
    await engine.load(text, setOf(text));
    expect((await engine.evaluate(text, requestOf())).whole.effect).toBe("deny");
    const any = requestOf({ requested: [elementOf({ identifier: "*" })] });
    expect((await engine.evaluate(text, any)).elements[0]?.effect).toBe("deny");
  });

  test("more policies than a set holds", async () => {
    const policies = Array.from({ length: LIMITS.policiesPerSetMax + 1 }, (_, index) => ({
      policyId: `p${index}`,
      file: "f",
      line: index + 1,
      text: "permit (principal, action, resource);",
    }));
    const findings = await engine.check({ policies, dataClasses: NO_DATA_CLASSES });
    expect(findings.map(({ message }) => message)).toEqual(["expected at most 5000 policies in a set"]);
  });
});
