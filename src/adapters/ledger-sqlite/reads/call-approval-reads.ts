import type { CallApproval } from "../../../domain/call-approval.ts";
import type { CallApprovalReads } from "../../../ports/ledger-reads.ts";
import type { SqlParameters } from "../connection.ts";
import { CALL_APPROVAL, type CallApprovalRow, callApprovalOf } from "../tables/call-approval-table.ts";
import type { Reader } from "./reader.ts";

/** Lookups by an index, on the event loop as those of steps are. */
export function createCallApprovalReads({ read }: Reader): CallApprovalReads {
  function one(sql: string, parameters: SqlParameters): CallApproval | undefined {
    const row = read((db) => db.get<CallApprovalRow>(sql, parameters));
    return row === undefined ? undefined : callApprovalOf(row);
  }

  return {
    callApproval: async (approvalId) => one(CALL_APPROVAL.byId, { approvalId }),
    standingCallApproval: async (stepId, requestDigest, now) =>
      one(CALL_APPROVAL.standing, { stepId, requestDigest, now }),
  };
}
