import { type Command, InvalidArgumentError } from "commander";
import type { Context } from "../context.ts";
import { stepView } from "../output/step-view.ts";
import { addAnswers } from "./answering.ts";

/** What operators with the role approver do with steps that wait. */
export function addStepApproval(step: Command, context: Context): void {
  addAnswers(step, context, {
    what: "step",
    approveDescription: "let a step that waits for approval begin",
    refuseDescription: "close a step that waits for approval",
    argument: { name: "<step-id>", description: "its id: another request may come to have its name", parse: stepId },
    view: stepView,
    async requestDigest({ steps }, id) {
      const { step: asked } = await steps.get({ by: { case: "stepId", value: id } });
      return asked?.approval?.requestDigest ?? "";
    },
    approve: async ({ approvals }, stepId, answer) => (await approvals.approve({ stepId, ...answer })).step,
    refuse: async ({ approvals }, stepId, reason) => (await approvals.refuse({ stepId, reason })).step,
  });
}

/** @throws InvalidArgumentError */
function stepId(text: string): string {
  if (text === "" || text.includes("/")) throw new InvalidArgumentError("Expected a step id.");
  return text;
}
