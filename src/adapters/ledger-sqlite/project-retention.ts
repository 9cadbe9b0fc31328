import { canonicalText } from "../../domain/canonical-json.ts";
import type { EventsPruned, HoldPlaced, SnapshotTaken } from "../../domain/retention-event.ts";
import type { Connection } from "./connection.ts";
import { ProjectionMismatch } from "./projection-mismatch.ts";
import { EVENT, type KeptRow, PRUNED_CANONICAL } from "./tables/event-table.ts";
import { LEGAL_HOLD, PRUNED_RANGE, type PrunedRangeRow, SNAPSHOT } from "./tables/retention-table.ts";

export function takeSnapshot(db: Connection, event: SnapshotTaken, sequence: number): void {
  const { through, chunks, bytes, rootHash, schema } = event;
  db.run(SNAPSHOT.forget);
  db.run(SNAPSHOT.insert, { sequence, through, chunks, bytes, rootHash, schema });
}

/** Where the log is in another database, there is nothing to be pruned of it here, and the tables say the same. */
export function pruneEvents(db: Connection, { ranges, count }: EventsPruned, sequence: number): void {
  const pruned = ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  if (pruned !== count) throw new ProjectionMismatch(sequence);
  for (const [first, last] of ranges) {
    cutDown(db, { first, last });
    addRange(db, first, last, sequence);
  }
}

/** Takes events out and puts them back without their content: an update would leave every page as empty as it then is. */
function cutDown(db: Connection, range: { readonly first: number; readonly last: number }): void {
  const events = db.all<KeptRow>(EVENT.kept, range);
  db.run(EVENT.delete, range);
  for (const event of events) db.run(EVENT.insert, { ...event, canonical: PRUNED_CANONICAL });
}

/** Joins a range with those that it touches. */
function addRange(db: Connection, first: number, last: number, sequence: number): void {
  const after = db.get<PrunedRangeRow>(PRUNED_RANGE.before, { sequence: last + 1 });
  // Nothing is pruned twice.
  if (after !== undefined && after.first <= last && after.last >= first) throw new ProjectionMismatch(sequence);
  const before = db.get<PrunedRangeRow>(PRUNED_RANGE.before, { sequence: first - 1 });
  const joinsBefore = before?.last === first - 1;
  const joinsAfter = after?.first === last + 1;
  if (joinsBefore) db.run(PRUNED_RANGE.delete, { first: before.first });
  if (joinsAfter) db.run(PRUNED_RANGE.delete, { first: after.first });
  db.run(PRUNED_RANGE.insert, { first: joinsBefore ? before.first : first, last: joinsAfter ? after.last : last });
}

export function placeHold(db: Connection, { hold, reason, by, at }: HoldPlaced, sequence: number): void {
  db.run(LEGAL_HOLD.insert, { ...hold, reason, actor: canonicalText(by), at, sequence });
}
