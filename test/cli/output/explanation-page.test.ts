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

type Explained = Parameters<typeof create<typeof ExplainResponseSchema>>[1];

const pageOf = (explained: Explained) => formatExplanation(create(ExplainResponseSchema, explained));
const whyOf = (explained: Explained) => /^why +(.*)$/m.exec(pageOf(explained))?.[1];

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

test("what was held back names the policies that it was approved for", () => {
  const request = { approved: "operators", approvedPolicies: ["site.payments", "site.writes"] };
  expect(pageOf({ decision: { effect: Effect.ALLOW }, request })).toMatch(
    /^ +approved by +operators, for site\.payments, site\.writes$/m,
  );
  expect(pageOf({ decision: { effect: Effect.ALLOW }, request: { approved: "operators" } })).toMatch(
    /^ +approved by +operators$/m,
  );
});

test("an element of which fewer calls were left than were asked for says how many", () => {
  const situation = { fewerCalls: [{ element: 1, calls: 1 }] };
  const page = pageOf({ decision: { effect: Effect.ALLOW, situation }, elements: [{ element }, { element }] });
  const [first, second] = page.split("\n").filter((line) => line.includes("permitted search"));
  expect(first).not.toContain("no more than");
  expect(second).toMatch(/; ceiling or parent left no more than 1 call$/);
});

test("of a step that was opened while there was no policy to ask, by whom it was opened", () => {
  const opening = {
    runtime: "flow",
    parentAgent: "planner",
    parent: { runId: "run-1", step: "plan", attempt: 2 },
    selectors: ["unix:gid:7", "unix:uid:1000"],
  };
  const page = pageOf({ decision: { effect: Effect.ALLOW, opening } });
  expect(page).toMatch(/^ +runtime +flow$/m);
  expect(page).toMatch(/^ +parent +run-1\/plan\/2 of planner$/m);
  expect(page).toMatch(/^ +selectors +unix:gid:7 unix:uid:1000$/m);
});
