import { DENIED_AFTER_EXPIRY_SECONDS } from "../../../domain/revocation.ts";
import { addSeconds } from "../../../domain/time.ts";
import type { DenyPart, FeedReads } from "../../../ports/ledger-reads.ts";
import type { Connection } from "../connection.ts";
import { sizeOf } from "../tables/event-table.ts";
import { denyEntryOf, type ExpiryPosition, REVOCATION, type RevocationRow } from "../tables/revocation-table.ts";
import { consistently, type Reader } from "./reader.ts";

/** Rows read in one turn of the event loop, and sent in the next: some milliseconds each. */
const PART_ROWS = 200;

type Position = { readonly sequence: number; readonly subjectSequence: number };
type Part = DenyPart & { readonly next?: Position };

export function createFeedReads({ read }: Reader): FeedReads {
  return {
    async *denied(after, through) {
      let from: Position | undefined = { sequence: after, subjectSequence: Number.MAX_SAFE_INTEGER };
      while (from !== undefined) {
        const position: Position = from;
        const part: Part = read((db) => consistently(db, () => partAfter(db, position, through)));
        yield { entries: part.entries, through: part.through };
        from = part.next;
      }
    },
    async *inForce(now) {
      let from: ExpiryPosition | undefined = {
        latestExpiry: addSeconds(now, -DENIED_AFTER_EXPIRY_SECONDS),
        // Behind all that expired in that second.
        sequence: Number.MAX_SAFE_INTEGER,
        subjectSequence: 0,
      };
      while (from !== undefined) {
        const position: ExpiryPosition = from;
        const rows = read((db) => db.all<RevocationRow>(REVOCATION.expiringAfter, { ...position, limit: PART_ROWS }));
        yield rows.map(denyEntryOf);
        from = rows.length < PART_ROWS ? undefined : rows.at(-1);
      }
    },
  };
}

function partAfter(db: Connection, from: Position, through: number): Part {
  // Events after the newest one are not written yet, so a part can't reach beyond the newest.
  const end = Math.min(through, sizeOf(db));
  const rows = db.all<RevocationRow>(REVOCATION.between, { ...from, through: end, limit: PART_ROWS });
  const entries = rows.map(denyEntryOf);
  const last = rows.at(-1);
  if (last === undefined || rows.length < PART_ROWS) return { entries, through: end };
  // More rows with the last row's sequence may follow, so only the sequences before it are complete.
  return { entries, through: last.sequence - 1, next: last };
}
