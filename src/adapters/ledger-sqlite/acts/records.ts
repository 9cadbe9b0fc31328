import type {
  CloseResult,
  RecordDecisionAct,
  RecordOperationAct,
  Sequenced,
  StartEpochAct,
  TakeReceiptsAct,
} from "../../../ports/ledger.ts";
import { RECEIPT } from "../tables/receipt-table.ts";
import { STEP } from "../tables/step-table.ts";
import { type ActContext, sequenced } from "./act-context.ts";
import { closeSteps } from "./close.ts";

/** Receipts of so many verifiers stay well below the size of one event. */
const RECEIPTS_PER_EVENT_MAX = 500;

export function recordDecision({ append }: ActContext, { decision, now }: RecordDecisionAct): Sequenced {
  return sequenced(append({ type: "decision.made", v: 1, at: now, decision }));
}

export function recordOperation({ append }: ActContext, act: RecordOperationAct): Sequenced {
  const { operation, target, reason, by, now } = act;
  return sequenced(append({ type: "operator.acted", v: 1, at: now, act: operation, target, reason, by }));
}

/** Records those that say more than what is known; sequence 0 when none does. */
export function takeReceipts({ db, append }: ActContext, { receipts, now }: TakeReceiptsAct): Sequenced {
  const news = receipts.filter(({ entryId, sequence }) => {
    const known = db.get<{ readonly sequence: number }>(RECEIPT.of, { entryId });
    return known === undefined || sequence > known.sequence;
  });
  let sequence = 0;
  for (let start = 0; start < news.length; start += RECEIPTS_PER_EVENT_MAX) {
    const part = news.slice(start, start + RECEIPTS_PER_EVENT_MAX);
    sequence = append({ type: "receipts.taken", v: 1, at: now, receipts: part });
  }
  return sequenced(sequence);
}

export function startEpoch(context: ActContext, { epoch, reason, by, now }: StartEpochAct): CloseResult {
  const sequence = context.append({ type: "epoch.started", v: 1, at: now, epoch, reason });
  const live = context.db.all<{ readonly sequence: number }>(STEP.live).map((row) => row.sequence);
  const closed = closeSteps(context, live, { state: "REVOKED", reason: "privilegeWithdrawn", by, now });
  return closed.sequence === 0 ? { ...closed, sequence } : closed;
}
