import { type Command, InvalidArgumentError } from "commander";
import type { Context } from "../context.ts";
import { stepView } from "../output/step-view.ts";
import { acting } from "../session.ts";

type ReasonOption = { readonly reason: string };

/** What operators with the role approver do with steps that wait. */
export function addStepApproval(step: Command, context: Context): void {
  step
    .command("approve")
    .description("let a step that waits for approval begin, as an operator with the role approver")
    .argument("<step-id>", "its id: another request may come to have its name", stepId)
    .requiredOption("--reason <text>", "why; recorded, and shown with the step")
    .action(
      acting(context, async (session, { reason }: ReasonOption, id: string) => {
        const { steps, approvals } = session.operator();
        const { step: asked } = await steps.get({ by: { case: "stepId", value: id } });
        // Why a step that waits for nothing can't be approved is for the broker to say.
        const requestDigest = asked?.approval?.requestDigest ?? "";
        const { step: approved } = await approvals.approve({ stepId: id, requestDigest, reason });
        if (approved !== undefined) await session.print.one(stepView, approved);
      }),
    );

  step
    .command("refuse")
    .description("close a step that waits for approval, as an operator with the role approver")
    .argument("<step-id>", "its id", stepId)
    .requiredOption("--reason <text>", "why; recorded, and shown with the step")
    .action(
      acting(context, async (session, { reason }: ReasonOption, id: string) => {
        const { step: refused } = await session.operator().approvals.refuse({ stepId: id, reason });
        if (refused !== undefined) await session.print.one(stepView, refused);
      }),
    );
}

/** @throws InvalidArgumentError */
function stepId(text: string): string {
  if (text === "" || text.includes("/")) throw new InvalidArgumentError("Expected a step id.");
  return text;
}
