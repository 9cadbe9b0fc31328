import { type ApproveCallPorts, approveCall, refuseCall } from "../../check/approve-call.ts";
import { checkMayLook } from "../../decide/step-access.ts";
import { type CallApproval, noSuchCall } from "../../domain/call-approval.ts";
import { errorOf, invalidField } from "../../domain/errors.ts";
import type { Approvals } from "../../gen/stint/v1/approvals_pb.js";
import { type ApprovePorts, approveStep } from "../../open/approve-step.ts";
import { refuseStep } from "../../open/refuse-step.ts";
import type { HistoryReads } from "../../ports/ledger-reads.ts";
import { callApprovalMessageOf, callApprovalStateFrom } from "../../wire/call-approval-message.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { stepMessageOf } from "../../wire/step-message.ts";
import { type Endpoint, unary } from "./call.ts";
import { callsFilterOf } from "./history-filter.ts";
import { nextPageToken } from "./paging.ts";

export type ApprovalsPorts = ApprovePorts &
  ApproveCallPorts & { readonly history: Pick<HistoryReads, "callApprovals"> };

export function approvalsHandlers(endpoint: Endpoint, ports: ApprovalsPorts): HandlersOf<typeof Approvals> {
  const { callApprovals, history, clock } = ports;
  const shown = (approval: CallApproval) => ({ call: callApprovalMessageOf(approval, clock.now()) });
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
    listCalls: unary(endpoint, "Approvals.ListCalls", async (request, caller) => {
      checkMayLook(caller);
      const filter = callsFilterOf(request.filter);
      const states = request.states.map((message) => {
        const state = callApprovalStateFrom(message);
        if (state === undefined) throw invalidField("states", "states of a call that was asked about");
        return state;
      });
      const now = clock.now();
      const rows = await history.callApprovals({ ...filter, now, ...(states.length === 0 ? {} : { states }) });
      return {
        calls: rows.map((row) => callApprovalMessageOf(row, now)),
        nextPageToken: nextPageToken(rows, filter.limit, (row) => row.sequence),
      };
    }),
    getCall: unary(endpoint, "Approvals.GetCall", async ({ approvalId }, caller, ids) => {
      checkMayLook(caller);
      ids["approvalId"] = approvalId;
      const approval = await callApprovals.callApproval(approvalId);
      if (approval === undefined) throw errorOf(noSuchCall());
      return shown(approval);
    }),
    approveCall: unary(
      endpoint,
      "Approvals.ApproveCall",
      async ({ approvalId, requestDigest, reason }, caller, ids) => {
        ids["approvalId"] = approvalId;
        return shown(await approveCall(caller, { approvalId, requestDigest, reason }, ports));
      },
    ),
    refuseCall: unary(endpoint, "Approvals.RefuseCall", async ({ approvalId, reason }, caller, ids) => {
      ids["approvalId"] = approvalId;
      return shown(await refuseCall(caller, { approvalId, reason }, ports));
    }),
  };
}
