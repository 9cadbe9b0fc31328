import { policySetTextToParts } from "@cedar-policy/cedar-wasm/nodejs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { splitPolicies } from "../../../src/adapters/policy-cedar/split-policies.ts";
import { LIMITS } from "../../../src/domain/limits.ts";

const split = (text: string, file = "site.cedar") => splitPolicies(text, file).policies;
const PERMIT = "permit (principal, action, resource);";

describe("a file of policies", () => {
  test("is told apart, each policy with its comments, its line and an id", () => {
    const text = `// first\n// line\n${PERMIT} // behind\n\n\n@id("mine") ${PERMIT}\n  ${PERMIT}\n// nothing\n`;
    expect(split(text)).toEqual([
      { policyId: "site.1", file: "site.cedar", line: 1, text: `// first\n// line\n${PERMIT} // behind` },
      { policyId: "mine", file: "site.cedar", line: 6, text: `@id("mine") ${PERMIT}` },
      { policyId: "site.3", file: "site.cedar", line: 7, text: `  ${PERMIT}` },
    ]);
  });

  test("keeps the columns of a policy that begins in the middle of a line", () => {
    const [, second] = split(`${PERMIT} ${PERMIT}`);
    expect(second).toMatchObject({ line: 1, text: " ".repeat(PERMIT.length + 1) + PERMIT });
  });

  test.for([
    { where: "a string", text: 'permit (principal, action, resource) when { context.step == "a;b // c" };' },
    {
      where: "a string with quotes in it",
      text: 'permit (principal, action, resource) when { context.step == "\\";\\\\" };',
    },
    { where: "a comment", text: 'permit (principal, // a; "b\n action, resource);' },
    { where: "an annotation", text: '@note("a;b") permit (principal, action, resource);' },
  ])("does not end a policy at a semicolon within $where", ({ text }) => {
    expect(split(`${text}\n${text}`).map((one) => one.text)).toEqual([text, text]);
  });

  test("finds an id behind other annotations and comments", () => {
    expect(
      split(`// @id("no")\n@approval("operators")\n// why\n@id("yes")\nforbid (principal, action, resource);`),
    ).toMatchObject([{ policyId: "yes" }]);
  });

  test("of comments alone holds no policy", () => {
    expect(splitPolicies("// nothing\n\n  // here ;\n", "site.cedar")).toEqual({ policies: [], findings: [] });
  });

  test("is told apart as Cedar tells it apart, whatever strings and comments hold", () => {
    const pieces = fc.constantFrom(";", '"', "\\", "//", "\n", " ", "é", "a", "@id(", ")", "/*", "permit", "\\\\");
    const string = fc.array(pieces.filter((one) => !/["\\\n]/.test(one))).map((parts) => `"${parts.join("")}\\"\\\\"`);
    const comment = fc.array(pieces.filter((one) => one !== "\n")).map((parts) => `//${parts.join("")}\n`);
    const blank = fc.oneof(fc.constantFrom(" ", "\n", ""), comment);
    const policy = fc
      .tuple(blank, string, blank, blank)
      .map(([a, text, b, c]) => `${a}permit (principal, action,${b} resource) when { context.step == ${text}${c} };`);
    fc.assert(
      fc.property(fc.array(policy, { maxLength: 5 }), (texts) => {
        const answer = policySetTextToParts(texts.join(""));
        if (answer.type === "failure") throw new Error(JSON.stringify(answer.errors));
        expect(split(texts.join(""))).toHaveLength(answer.policies.length);
      }),
    );
  });

  test("of any text is split without a throw", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => void split(text)));
  });
});

describe("a finding says", () => {
  test.for([
    { what: "an id with other characters", text: `// c\n\n@id("a b") ${PERMIT}`, file: "site.cedar", line: 3 },
    { what: "an empty id", text: `@id("") ${PERMIT}`, file: "site.cedar", line: 1 },
    { what: "a file's name that is no id", text: PERMIT, file: "my policies.cedar", line: 1 },
  ])("the line of $what", ({ text, file, line }) => {
    const { policies, findings } = splitPolicies(text, file);
    expect(policies).toEqual([]);
    expect(findings).toMatchObject([{ file, line, column: 1 }]);
  });

  test("which policy is too large", () => {
    const { findings } = splitPolicies(
      `${PERMIT}\n@id("big") ${PERMIT} //${"x".repeat(LIMITS.policyBytesMax)}`,
      "f.cedar",
    );
    expect(findings).toEqual([
      { file: "f.cedar", line: 2, column: 1, message: "policy big: expected at most 49152 bytes, comments included" },
    ]);
  });
});
