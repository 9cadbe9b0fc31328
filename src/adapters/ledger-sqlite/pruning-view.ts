import type { LegalHold } from "../../domain/legal-hold.ts";
import { type Concerned, type Concerns, concernsOf, type PruningCandidate } from "../../domain/retention.ts";
import { microsOf, type UnixMicros } from "../../domain/time.ts";
import type { LedgerView, PruningPage } from "../../ledger/view.ts";
import type { Connection } from "./connection.ts";
import { EVENT, eventOf, isPruned, type StoredEvent } from "./tables/event-table.ts";
import {
  CONCERNED,
  type ConcernedRow,
  LEGAL_HOLD,
  type LegalHoldRow,
  PRUNED_RANGE,
  type PrunedRangeRow,
  SNAPSHOT,
} from "./tables/retention-table.ts";

/** What the rules of retention ask for, in SQL. */
export function createPruningView(db: Connection): Pick<LedgerView, "snapshotThrough" | "holds" | "pruningCandidates"> {
  return {
    snapshotThrough: () => snapshotThrough(db),
    holds: () =>
      db.all<LegalHoldRow>(LEGAL_HOLD.all).map(({ holdId, scope, value }): LegalHold => ({ holdId, scope, value })),
    pruningCandidates: (after, limit) => pruningCandidates(db, after, limit),
  };
}

function snapshotThrough(db: Connection): number {
  return db.get<{ readonly through: number }>(SNAPSHOT.through)?.through ?? 0;
}

/** A page of the log of at most `limit` events, but for those in it that are pruned. */
function pruningCandidates(db: Connection, after: number, limit: number): PruningPage {
  const through = snapshotThrough(db);
  const gone = db.get<PrunedRangeRow>(PRUNED_RANGE.before, { sequence: after + 1 });
  const from = Math.max(after, gone?.last ?? 0);
  const events = db.all<StoredEvent>(EVENT.after, { after: from, limit }).filter(({ sequence }) => sequence <= through);
  const last = events.at(-1)?.sequence ?? through;
  const candidates = events.filter(({ canonical }) => !isPruned(canonical)).map((event) => candidateOf(db, event));
  return last < through ? { candidates, next: last } : { candidates };
}

function candidateOf(db: Connection, { sequence, type, recordedAt, canonical }: StoredEvent): PruningCandidate {
  const concerns = concernsOf(eventOf(canonical));
  const candidate = { sequence, type, recordedAt };
  return concerns === undefined ? candidate : { ...candidate, concerned: concernedBy(db, concerns, recordedAt) };
}

function concernedBy(db: Connection, { things, ...named }: Concerns, recordedAt: UnixMicros): readonly Concerned[] {
  const rows = things.map(({ kind, id }) => db.get<ConcernedRow>(CONCERNED[kind], { id }));
  const known = rows.filter((row) => row !== undefined).map(concernedOf);
  // What was refused never began: it is over since it was recorded.
  return [...known, { endedAt: recordedAt, ...named }];
}

function concernedOf({ runId, agent, principalId, closedAt, expiresAt, isOfStep }: ConcernedRow): Concerned {
  const names = {
    ...(runId === null ? {} : { runId }),
    ...(agent === null ? {} : { agent }),
    ...(principalId === null ? {} : { principalId }),
  };
  if (isOfStep === 1 && closedAt === null) return names;
  const expired = expiresAt === null ? 0 : microsOf(expiresAt);
  return { ...names, endedAt: Math.max(closedAt ?? 0, expired) as UnixMicros };
}
