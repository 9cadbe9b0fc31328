import { BrokerError } from "../domain/errors.ts";
import type { ActName, LedgerAct, ResultOf } from "../ports/ledger-acts.ts";
import { deliberate, type Rule, type Ruling } from "./rule.ts";
import { approveStep, refuseStep } from "./rules/approving.ts";
import { approveCall, pendCall, refuseCall } from "./rules/approving-calls.ts";
import { putAuthorities } from "./rules/authorities.ts";
import { recordCall } from "./rules/calls.ts";
import { close } from "./rules/close.ts";
import { enrollProcess } from "./rules/enroll-process.ts";
import { putEntry, retireEntry } from "./rules/entries.ts";
import { endEventStream, putEventStream, recordDelivered } from "./rules/event-streams.ts";
import { createJoinToken, revokeJoinTokens, spendEvidence, spendJoinToken } from "./rules/evidence.ts";
import { answerExchange, endExchange, intendExchange } from "./rules/exchanges.ts";
import { acceptBundle, endFederation, putFederation } from "./rules/federation.ts";
import { markUndelivered, recordIssuances, revokeCredential } from "./rules/issuances.ts";
import { judgeSteps, setRisk } from "./rules/judging.ts";
import { holdStep, renewStep } from "./rules/keep-step.ts";
import { openStep } from "./rules/open-step.ts";
import { activatePolicySet, putPolicySet } from "./rules/policies.ts";
import { erasePrincipal, offboardPrincipal, readmitPrincipal, takeSecurityEvent } from "./rules/principals.ts";
import { reachClosure } from "./rules/reach-closure.ts";
import { begunBefore, recordDecision, recordOperation, startEpoch, takeReceipts } from "./rules/records.ts";
import { liftHold, placeHold, pruneEvents, recordSnapshot } from "./rules/retention.ts";
import { acceptTool, forgetTool, reportTools } from "./rules/tools.ts";
import { recordUsage } from "./rules/usage.ts";
import type { LedgerView } from "./view.ts";

const RULES: { readonly [Name in ActName]: Rule<Name> } = {
  "open-step": openStep,
  "approve-step": approveStep,
  "refuse-step": refuseStep,
  "hold-step": holdStep,
  "renew-step": renewStep,
  "enroll-process": enrollProcess,
  "record-issuances": recordIssuances,
  "mark-undelivered": markUndelivered,
  close,
  "revoke-credential": revokeCredential,
  "record-decision": recordDecision,
  "record-call": recordCall,
  "pend-call": pendCall,
  "approve-call": approveCall,
  "refuse-call": refuseCall,
  "intend-exchange": intendExchange,
  "answer-exchange": answerExchange,
  "end-exchange": endExchange,
  "put-entry": putEntry,
  "retire-entry": retireEntry,
  "put-authorities": putAuthorities,
  "put-federation": putFederation,
  "end-federation": endFederation,
  "accept-bundle": acceptBundle,
  "create-join-token": createJoinToken,
  "revoke-join-tokens": revokeJoinTokens,
  "spend-join-token": spendJoinToken,
  "spend-evidence": spendEvidence,
  "offboard-principal": offboardPrincipal,
  "readmit-principal": readmitPrincipal,
  "erase-principal": erasePrincipal,
  "record-usage": recordUsage,
  "take-receipts": takeReceipts,
  "reach-closure": reachClosure,
  "record-operation": recordOperation,
  "put-policy-set": putPolicySet,
  "activate-policy-set": activatePolicySet,
  "set-risk": setRisk,
  "judge-steps": judgeSteps,
  "report-tools": reportTools,
  "accept-tool": acceptTool,
  "forget-tool": forgetTool,
  "put-event-stream": putEventStream,
  "end-event-stream": endEventStream,
  "record-delivered": recordDelivered,
  "take-security-event": takeSecurityEvent,
  "record-snapshot": recordSnapshot,
  "prune-events": pruneEvents,
  "place-hold": placeHold,
  "lift-hold": liftHold,
  "start-epoch": startEpoch,
};

/**
 * The ruling on one act, by a view that answers at once.
 *
 * @param epoch - the epoch in force; empty before the first epoch.
 * @throws BrokerError NOT_SERVING before the first epoch, and what the rule throws
 */
export function rulingOn<Name extends ActName>(
  act: LedgerAct<Name> & { readonly act: Name },
  epoch: string,
  view: LedgerView,
): Ruling<ResultOf<Name>> {
  if (epoch === "" && act.act !== "start-epoch") throw new BrokerError("NOT_SERVING", "the ledger has no epoch yet");
  const rule: Rule<Name> = isBegun(act, epoch) ? begunBefore : RULES[act.act];
  return deliberate(rule(act), view);
}

function isBegun(act: LedgerAct, epoch: string): boolean {
  return epoch !== "" && act.act === "start-epoch" && act.isFirst === true;
}
