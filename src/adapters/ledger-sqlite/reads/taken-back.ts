import type { UnconfirmedExchange } from "../../../domain/closure.ts";
import type { Exchange } from "../../../domain/exchange.ts";
import { LIMITS } from "../../../domain/limits.ts";
import { secondsOf, type UnixMicros } from "../../../domain/time.ts";
import type { CloseTarget } from "../../../ports/ledger-acts.ts";
import type { ClosedBy, IssuanceRow, TakenBack } from "../../../ports/ledger-reads.ts";
import type { Connection } from "../connection.ts";
import { liveSteps } from "../sql-view.ts";
import { CLOSURE, type ClosedCredentialsRow, type ClosureRow, closedCredentialsOf } from "../tables/closure-table.ts";
import { EXCHANGE, type ExchangeRow, exchangeOf } from "../tables/exchange-table.ts";
import { ISSUANCE, issuanceOf, type StoredIssuance } from "../tables/issuance-table.ts";
import { STEP, type StepRow, stepOf } from "../tables/step-table.ts";
import { consistently } from "./reader.ts";

/** What a close would take back, found by the same statement that the close itself uses. */
export function previewClose(db: Connection, target: CloseTarget, now: UnixMicros): TakenBack {
  return consistently(db, () => {
    const closing = liveSteps(db, target, now);
    const listed = closing.slice(0, LIMITS.listedMax);
    const issuances: IssuanceRow[] = [];
    const exchanges: Exchange[] = [];
    for (const { stepId, liveCredentials } of listed) {
      const alive = { stepId, now: secondsOf(now), limit: LIMITS.listedMax - exchanges.length };
      exchanges.push(...db.all<ExchangeRow>(EXCHANGE.aliveOfStep, alive).map(exchangeOf));
      const limit = Math.min(LIMITS.listedMax - issuances.length, liveCredentials);
      if (limit === 0) continue;
      const rows = db.all<StoredIssuance>(ISSUANCE.liveOfStep, { stepId, at: now, limit });
      issuances.push(...rows.map(issuanceOf));
    }
    return {
      steps: listed.flatMap(({ stepId }) => db.all<StepRow>(STEP.byId, { stepId }).map(stepOf)),
      issuances,
      exchanges,
      stepsCount: closing.length,
      issuancesCount: closing.reduce((sum, step) => sum + step.liveCredentials, 0),
    };
  });
}

/** What the closes with a sequence in [first, last] took back. */
export function takenBack(db: Connection, first: number, last: number, now: UnixMicros): TakenBack {
  const limit = LIMITS.listedMax;
  return consistently(db, () => {
    type Counts = { readonly count: number; readonly credentials: number };
    const counts = db.get<Counts>(STEP.closedBetweenCount, { first, last });
    return {
      steps: db.all<StepRow>(STEP.closedBetween, { first, last, limit }).map(stepOf),
      issuances: db.all<StoredIssuance>(ISSUANCE.revokedBetween, { first, last, limit }).map(issuanceOf),
      exchanges: db
        .all<ExchangeRow>(EXCHANGE.aliveOfClosedBetween, { first, last, now: secondsOf(now), limit })
        .map(exchangeOf),
      stepsCount: counts?.count ?? 0,
      issuancesCount: counts?.credentials ?? 0,
    };
  });
}

export function closedBy(db: Connection, closedSequence: number): ClosedBy | undefined {
  return consistently(db, () => {
    const row = db.get<ClosureRow>(CLOSURE.of, { closedSequence });
    if (row === undefined) return undefined;
    const { closedAt, reachedAt } = row;
    const credentials = db.all<ClosedCredentialsRow>(CLOSURE.credentials, { closedSequence }).map(closedCredentialsOf);
    const exchanges = db.all<UnconfirmedExchange>(EXCHANGE.unconfirmedOfClose, { closedSequence });
    return { closedAt, credentials, exchanges, ...(reachedAt === null ? {} : { reachedAt }) };
  });
}
