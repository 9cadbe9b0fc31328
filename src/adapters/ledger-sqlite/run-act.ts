import { BrokerError } from "../../domain/errors.ts";
import type { LedgerAct, ResultOf } from "../../ports/ledger.ts";
import type { ActContext } from "./acts/act-context.ts";
import { putAuthorities } from "./acts/authorities.ts";
import { close } from "./acts/close.ts";
import { putEntry, retireEntry } from "./acts/entries.ts";
import { createJoinToken, revokeJoinTokens, spendEvidence, spendJoinToken } from "./acts/evidence.ts";
import { acceptBundle, endFederation, putFederation } from "./acts/federation.ts";
import { markUndelivered, recordIssuances, revokeCredential } from "./acts/issuances.ts";
import { holdStep, renewStep } from "./acts/keep-step.ts";
import { openStep } from "./acts/open-step.ts";
import { recordDecision, recordOperation, startEpoch, takeReceipts } from "./acts/records.ts";

type ActNamed<Name extends LedgerAct["act"]> = Extract<LedgerAct, { readonly act: Name }>;

const ACTS: {
  readonly [Name in LedgerAct["act"]]: (context: ActContext, act: ActNamed<Name>) => ResultOf<ActNamed<Name>>;
} = {
  "open-step": openStep,
  "hold-step": holdStep,
  "renew-step": renewStep,
  "record-issuances": recordIssuances,
  "mark-undelivered": markUndelivered,
  close,
  "revoke-credential": revokeCredential,
  "record-decision": recordDecision,
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
  "take-receipts": takeReceipts,
  "record-operation": recordOperation,
  "start-epoch": startEpoch,
};

/**
 * Does one act: its guards, and when they hold its events.
 *
 * @param epoch - the one in force; empty before the first.
 */
export function runAct<A extends LedgerAct>(context: ActContext, epoch: string, act: A): ResultOf<A> {
  if (epoch === "" && act.act !== "start-epoch") throw new BrokerError("NOT_SERVING", "the ledger has no epoch yet");
  const run = ACTS[act.act] as unknown as (context: ActContext, act: A) => ResultOf<A>;
  return run(context, act);
}
