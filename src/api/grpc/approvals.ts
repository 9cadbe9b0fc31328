import type { Approvals } from "../../gen/stint/v1/approvals_pb.js";
import { type ApprovePorts, approveStep } from "../../open/approve-step.ts";
import { refuseStep } from "../../open/refuse-step.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { stepMessageOf } from "../../wire/step-message.ts";
import { type Endpoint, unary } from "./call.ts";

export function approvalsHandlers(endpoint: Endpoint, ports: ApprovePorts): HandlersOf<typeof Approvals> {
  return {
    approve: unary(endpoint, "Approvals.Approve", async ({ stepId, requestDigest, reason }, caller, ids) => {
      ids["stepId"] = stepId;
      const step = await approveStep(caller, { stepId, requestDigest, reason }, ports);
      return { step: stepMessageOf(step, { processes: true }) };
    }),
    refuse: unary(endpoint, "Approvals.Refuse", async ({ stepId, reason }, caller, ids) => {
      ids["stepId"] = stepId;
      return { step: stepMessageOf(await refuseStep(caller, { stepId, reason }, ports), { processes: true }) };
    }),
  };
}
