import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { decisionView } from "../../../src/cli/output/decision-view.ts";
import { recordOf } from "../../../src/cli/output/view.ts";
import { DecisionSchema } from "../../../src/gen/stint/v1/history_pb.js";

const by = { runtime: "flow", parentAgent: "planner", parent: { runId: "run-1", step: "plan", attempt: 1 } };
const parent = { agent: "planner", run_id: "run-1", step: "plan", attempt: 1 };
const selectors = ["unix:uid:1000"];

test("a decision without policies says who opened the step, in the words of one with policies", () => {
  const opened = recordOf(decisionView, create(DecisionSchema, { opening: { ...by, selectors } }));
  expect(opened).toMatchObject({ opening: { runtime: "flow", parent, selectors }, situation: null });
  const judged = recordOf(decisionView, create(DecisionSchema, { situation: { ...by, selectors } }));
  expect(judged).toMatchObject({ situation: { runtime: "flow", parent, selectors }, opening: null });
});

test("a decision says which policies its approval was given for, and what was left of the calls asked for", () => {
  const approval = { approved: "operators", approvedPolicies: ["site.writes"] };
  const situation = { ...approval, fewerCalls: [{ element: 0, calls: 3 }] };
  expect(recordOf(decisionView, create(DecisionSchema, { situation }))).toMatchObject({
    situation: { approved: "operators", approved_policies: ["site.writes"], fewer_calls: [{ element: 0, calls: 3 }] },
  });
});
