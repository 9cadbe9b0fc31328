import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { stepTreeView, treeRowsOf } from "../../../src/cli/output/step-tree-view.ts";
import { formatTable } from "../../../src/cli/output/table.ts";
import { type Step, StepSchema, StepState } from "../../../src/gen/stint/v1/types_pb.js";

function stepOf(stepId: string, parentStepId = "", delegationJti = ""): Step {
  const name = { runId: "run", step: stepId, attempt: 1 };
  const state = StepState.OPEN;
  return create(StepSchema, {
    stepId,
    name,
    agent: "reader",
    parentStepId,
    delegationJti,
    state,
    decisionId: `dec_${stepId}`,
  });
}

const tableOf = (steps: readonly Step[], namedId: string) =>
  formatTable(stepTreeView.columns, treeRowsOf(steps, namedId), (_column, _row, text) => text);

test("each step stands below the one that delegated to it, siblings in the order in which they were opened", () => {
  const steps = [stepOf("root"), stepOf("a", "root", "jti"), stepOf("b", "root"), stepOf("aa", "a"), stepOf("ab", "a")];
  expect(
    tableOf(steps, "a")
      .split("\n")
      .map((line) => line.slice(0, 52).trimEnd()),
  ).toEqual(
    [
      "STEP            AGENT   STATE  BY     EXPIRES  DECISION",
      "run/root/1      reader  OPEN                   dec_root",
      "├─ run/a/1      reader  OPEN   token           dec_a",
      "│  ├─ run/aa/1  reader  OPEN                   dec_aa",
      "│  └─ run/ab/1  reader  OPEN                   dec_ab",
      "└─ run/b/1      reader  OPEN                   dec_b",
      "",
    ].map((line) => line.slice(0, 52)),
  );
});

test("a step whose parent is not shown stands at the left, and the one that was asked for is told by its data", () => {
  const rows = treeRowsOf([stepOf("child", "elsewhere"), stepOf("below", "child")], "below");
  expect(rows.map(({ step, branch, isNamed }) => [step.stepId, branch, isNamed])).toEqual([
    ["child", "", false],
    ["below", "└─ ", true],
  ]);
});
