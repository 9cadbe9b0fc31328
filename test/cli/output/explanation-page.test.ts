import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { formatExplanation } from "../../../src/cli/output/explanation-page.ts";
import { DenialLayer } from "../../../src/gen/stint/v1/errors_pb.js";
import { ExplainResponseSchema } from "../../../src/gen/stint/v1/history_pb.js";
import { Effect } from "../../../src/sdk/operator/index.ts";

const element = {
  type: "mcp_tool",
  locations: ["https://mcp.example.org/mcp"],
  identifier: "search",
  actions: ["read"],
  datatypes: ["internal"],
};

function whyOf(explained: Parameters<typeof create<typeof ExplainResponseSchema>>[1]): string | undefined {
  return /^why +(.*)$/m.exec(formatExplanation(create(ExplainResponseSchema, explained)))?.[1];
}

test.for([
  { over: "a budget", reason: "GRANT_EXCEEDED", message: "all 2 calls that the grant allows were made" },
  { over: "a role", reason: "NOT_ENTITLED", message: "only for operators with the role approver" },
  { over: "a token", reason: "DELEGATION_REFUSED", message: "the delegation token is for another runtime" },
])("refused over $over before any policy was asked: why is what the caller was told", ({ reason, message }) => {
  const elements = [{ element, refused: true }];
  expect(whyOf({ decision: { effect: Effect.DENY, reason, message }, elements })).toBe(message);
});

test("of a denial by policy that can't be asked again, why names the element that a policy refused", () => {
  const decision = { effect: Effect.DENY, reason: "POLICY_DENIED", message: "policy no longer permits the step" };
  const elements = [{ element, refused: true, refusedBy: DenialLayer.POLICY }];
  expect(whyOf({ decision, elements })).toMatch(/^a policy refused search at /);
});

test("why something held back was permitted names who could approve it", () => {
  const decision = { effect: Effect.ALLOW, determiningPolicies: ["baseline.ceiling"] };
  expect(whyOf({ decision, request: { approved: "operators" } })).toBe(
    "permitted by baseline.ceiling, with the approval of operators",
  );
});
