import { type Command, InvalidArgumentError } from "commander";
import { Approvals } from "../../gen/stint/v1/approvals_pb.js";
import { Steps } from "../../gen/stint/v1/steps_pb.js";
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
    async requestDigest({ operator }, id) {
      const { step: asked } = await operator(Steps).get({ by: { case: "stepId", value: id } });
      return asked?.approval?.requestDigest ?? "";
    },
    approve: async ({ operator }, stepId, answer) => (await operator(Approvals).approve({ stepId, ...answer })).step,
    refuse: async ({ operator }, stepId, reason) => (await operator(Approvals).refuse({ stepId, reason })).step,
  });
}

/** @throws InvalidArgumentError */
function stepId(text: string): string {
  if (text === "" || text.includes("/")) throw new InvalidArgumentError("Expected a step id.");
  return text;
}
