import type { CallAnswer } from "../../check/answer-denials.ts";
import { type AskerPorts, askerOf } from "../../check/asker.ts";
import { checkCallRequest, type PresentedCredential } from "../../check/call-request.ts";
import { type CheckPorts, checkCall } from "../../check/check-call.ts";
import { type ReportUsagePorts, reportUsage } from "../../check/report-usage.ts";
import { invalidField } from "../../domain/errors.ts";
import type { UsageOutcome } from "../../domain/usage.ts";
import {
  type Authorizations,
  type CheckRequest,
  UsageOutcome as OutcomeMessage,
} from "../../gen/stint/v1/authorizations_pb.js";
import { Effect } from "../../gen/stint/v1/history_pb.js";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { timestampOfSeconds } from "../../wire/timestamps.ts";
import { type Endpoint, unary } from "./call.ts";

export type AuthorizationsPorts = CheckPorts & AskerPorts & ReportUsagePorts;

/** What verifiers ask about single calls. */
export function authorizationsHandlers(
  endpoint: Endpoint,
  ports: AuthorizationsPorts,
): HandlersOf<typeof Authorizations> {
  return {
    check: unary(endpoint, "Authorizations.Check", async (message, caller, ids) => {
      const { location, tool, actions, datatypes, argumentsSha256, definitionSha256, acceptPending } = message;
      const credential = credentialOf(message);
      const request = checkCallRequest({
        credential,
        location,
        tool,
        actions,
        datatypes,
        argumentsSha256,
        definitionSha256,
        acceptPending,
      });
      ids["tool"] = tool;
      const answer = await checkCall(await askerOf(caller, request, ports), request, ports);
      ids["decisionId"] = answer.decisionId;
      if (answer.effect === "deny") ids["reason"] = answer.reason;
      return messageOf(answer);
    }),
    reportUsage: unary(endpoint, "Authorizations.ReportUsage", async ({ reportId, usages, gap }, caller) => {
      const reported = usages.map(({ outcome, ...usage }) => ({ ...usage, outcome: OUTCOMES[outcome] }));
      return reportUsage(caller, { reportId, usages: reported, gap }, ports);
    }),
  };
}

/** An outcome that this version does not know is refused. */
const OUTCOMES: Readonly<Record<number, UsageOutcome>> = {
  [OutcomeMessage.SERVED]: "served",
  [OutcomeMessage.REFUSED]: "refused",
  [OutcomeMessage.FAILED]: "failed",
  [OutcomeMessage.STOPPED]: "stopped",
};

function credentialOf({ credential }: CheckRequest): PresentedCredential {
  switch (credential.case) {
    case "jwtSvid":
      return { kind: "jwt-svid", token: credential.value };
    case "witSvid":
      return { kind: "wit-svid", witSvid: credential.value.witSvid, txnToken: credential.value.txnToken };
    case undefined:
      throw invalidField("credential", "a JWT-SVID, or a WIT-SVID with its transaction token");
  }
}

function messageOf(answer: CallAnswer) {
  const { decisionId } = answer;
  if (answer.effect === "allow") {
    const { callsLeft } = answer;
    return { decisionId, effect: Effect.ALLOW, ...(callsLeft === undefined ? {} : { callsLeft }) };
  }
  const { reason, message, metadata, pending } = answer;
  const waits =
    pending === undefined
      ? {}
      : { pending: { approvalId: pending.approvalId, until: timestampOfSeconds(pending.until) } };
  return { decisionId, effect: Effect.DENY, reason, message, metadata: { ...metadata }, ...waits };
}
