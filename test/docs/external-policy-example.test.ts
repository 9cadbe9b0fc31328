import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { opaDecision } from "../../src/adapters/policy-opa/opa-decision.ts";
import { opaQuestion } from "../../src/adapters/policy-opa/opa-question.ts";
import { externalPolicyOf, externalPolicySection } from "../../src/config/external-policy-section.ts";
import { POLICY_MEMBERS } from "../../src/domain/policy-members.ts";
import type { Segment } from "../../src/domain/spiffe-id.ts";
import { elementOf, requestOf } from "../samples/policy-request.ts";
import { read } from "./documents.ts";

// What the guide to external policies shows is what the broker takes, asks and understands.

const shown = (name: string) => readFileSync(join(import.meta.dirname, name));
const GUIDE = "docs/guides/external-policy.md";

test("the guide to external policies: its settings are taken, and what it shows is what is asked by them", () => {
  const { policies } = parse(String(shown("external-policy.yaml"))) as { policies: { external: unknown } };
  const { opa } = externalPolicyOf(externalPolicySection.parse(policies.external));
  const facts = { classes: ["public"], actions: ["read"], stepsOpen: 1, steps: 3 } as const;
  const requested = [elementOf({ locations: ["https://search.example.org"], datatypes: ["internal"] })];
  const question = opaQuestion(requestOf({ runtime: "flow" as Segment, requested, facts }), opa.send);
  expect(JSON.parse(String(question))).toEqual(JSON.parse(String(shown("external-policy-question.json"))));
});

test("the guide to external policies: its answer is a decision", () => {
  expect(opaDecision({ status: 200, body: shown("external-policy-answer.json") }, 1)).toEqual({
    whole: { effect: "allow", policies: ["baseline.ceiling"] },
    elements: [{ effect: "deny", policies: ["site.no-payroll"] }],
  });
});

test("the guide to external policies names every member that can be sent", () => {
  for (const member of POLICY_MEMBERS) expect(read(GUIDE)).toMatch(new RegExp(`^\\| .*\`${member}\`.* \\|`, "m"));
});
