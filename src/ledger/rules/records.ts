import type { LedgerEvent, OperatorActed, ReceiptsTaken } from "../../domain/ledger-event.ts";
import type { UnixMicros } from "../../domain/time.ts";
import type {
  CloseResult,
  RecordDecisionAct,
  RecordOperationAct,
  Sequenced,
  StartEpochAct,
  TakeReceiptsAct,
} from "../../ports/ledger-acts.ts";
import { answered, ask, type Deliberation, type Ruling, read, recorded } from "../rule.ts";
import { closeResult, closingOf } from "./closing.ts";
import { recordedAll, sequenced } from "./sequenced.ts";

/** The receipts of so many verifiers, each signed, stay below the largest size of one event. */
const RECEIPTS_PER_EVENT_MAX = 75;

export function recordDecision({ decision, now }: RecordDecisionAct): Ruling<Sequenced> {
  return recordedAll([{ type: "decision.made", v: 1, at: now, decision }]);
}

export function recordOperation(act: RecordOperationAct): Ruling<Sequenced> {
  return recordedAll([operatorActed(act, act.now)]);
}

export function operatorActed(
  { operation, target, reason, by }: Omit<RecordOperationAct, "act" | "now">,
  at: UnixMicros,
): OperatorActed {
  return { type: "operator.acted", v: 1, at, act: operation, target, reason, by };
}

/** Records the receipts whose sequence is above the known one; sequence 0 when there are none. */
export function* takeReceipts({ receipts, now }: TakeReceiptsAct): Deliberation<Sequenced> {
  const { known } = yield* ask({ known: receipts.map(({ entryId }) => read("receipt", entryId)) });
  const news = receipts.filter(({ sequence }, index) => sequence > (known[index] ?? 0));
  if (news.length === 0) return answered(sequenced(0));
  const events: ReceiptsTaken[] = [];
  for (let start = 0; start < news.length; start += RECEIPTS_PER_EVENT_MAX) {
    const part = news.slice(start, start + RECEIPTS_PER_EVENT_MAX);
    events.push({ type: "receipts.taken", v: 1, at: now, receipts: part });
  }
  return recordedAll(events);
}

export function* startEpoch({ epoch, reason, by, now }: StartEpochAct): Deliberation<CloseResult> {
  const { live } = yield* ask({ live: read("liveSteps", { kind: "all" }, now) });
  const closing = closingOf(live, { state: "REVOKED", reason: "privilegeWithdrawn", by, now });
  const events: LedgerEvent[] = [{ type: "epoch.started", v: 1, at: now, epoch, reason }, ...closing.events];
  return recorded(events, (first) => closeResult(closing, { events, first, closedAt: now }));
}

/** The answer to a first epoch where another was begun before. */
export function begunBefore({ now }: Pick<StartEpochAct, "now">): Ruling<CloseResult> {
  const nothing = { firstSequence: 0, sequence: 0, stepsClosed: 0, credentialsRevoked: 0 };
  return answered({ kind: "closed", ...nothing, closedAt: now, alreadyClosed: true });
}
