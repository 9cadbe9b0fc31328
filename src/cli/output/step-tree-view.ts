import { formatGrant } from "../../domain/grant.ts";
import { type Step, StepState } from "../../gen/stint/v1/types_pb.js";
import { knownGrantOf } from "../../wire/grant-message.ts";
import { enumField, instantCell } from "./fields.ts";
import { stepView } from "./step-view.ts";
import { styleOf, type View } from "./view.ts";

/** A step at its place in a tree. */
export type TreeRow = { readonly step: Step; readonly branch: string; readonly isNamed: boolean };

/**
 * The rows of a tree, each step above those that it was delegated to. A step whose parent is not shown stands at the
 * left.
 *
 * @param steps - each behind its parent.
 * @param namedId - of the step that the tree was asked for.
 */
export function treeRowsOf(steps: readonly Step[], namedId: string): readonly TreeRow[] {
  const ids = new Set(steps.map(({ stepId }) => stepId));
  const childrenOf = (stepId: string) => steps.filter(({ parentStepId }) => parentStepId === stepId);

  function rowsBelow(step: Step, branch: string, indent: string): readonly TreeRow[] {
    const children = childrenOf(step.stepId);
    const below = children.flatMap((child, index) => {
      const isLast = index === children.length - 1;
      return rowsBelow(child, `${indent}${isLast ? "└─ " : "├─ "}`, `${indent}${isLast ? "   " : "│  "}`);
    });
    return [{ step, branch, isNamed: step.stepId === namedId }, ...below];
  }

  return steps.filter(({ parentStepId }) => !ids.has(parentStepId)).flatMap((step) => rowsBelow(step, "", ""));
}

export const stepTreeView: View<TreeRow> = {
  fields: [
    ...stepView.fields.map(([name, value]) => [name, ({ step }: TreeRow) => value(step)] as const),
    ["is_named", ({ isNamed }) => isNamed],
  ],
  columns: [
    {
      header: "STEP",
      text: ({ step: { name }, branch }) => `${branch}${name?.runId ?? ""}/${name?.step ?? ""}/${name?.attempt ?? ""}`,
      style: ({ isNamed }) => (isNamed ? "bold" : undefined),
    },
    { header: "AGENT", text: ({ step }) => step.agent },
    {
      header: "STATE",
      text: ({ step }) => enumField(StepState, step.state),
      style: ({ step }) => styleOf(step.state === StepState.OPEN, step.state === StepState.REVOKED),
    },
    { header: "BY", text: ({ step }) => (step.delegationJti === "" ? "" : "token") },
    { header: "EXPIRES", text: ({ step }) => instantCell(step.expiresAt) },
    { header: "DECISION", text: ({ step }) => step.decisionId },
    { header: "GRANT", text: ({ step }) => formatGrant(knownGrantOf(step.grant)) },
  ],
};
