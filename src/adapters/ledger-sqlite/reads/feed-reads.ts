import { LIMITS } from "../../../domain/limits.ts";
import type { FeedReads } from "../../../ports/ledger-reads.ts";
import type { Connection } from "../connection.ts";
import { TREE } from "../tables/event-table.ts";
import { denyEntryOf, REVOCATION, type RevocationRow } from "../tables/revocation-table.ts";
import { consistently, type Reader } from "./reader.ts";

/** A verifier may accept a credential for so long after its expiry, its clock being as wrong as is still believed. */
const FORGET_AFTER_SECONDS = LIMITS.verifierLeewaySeconds + LIMITS.clockSkewSecondsMax;

type Page = { readonly rows: readonly RevocationRow[]; readonly through: number };

export function createFeedReads({ read }: Reader): FeedReads {
  return {
    async denied(after, through, limit) {
      // What isn't written yet can't have been passed over.
      const page = read((db) => consistently(db, () => pageOf(db, after, Math.min(through, sizeOf(db)), limit)));
      return { entries: page.rows.map(denyEntryOf), through: page.through };
    },
    async snapshot(now) {
      const expiry = now - FORGET_AFTER_SECONDS;
      const { rows, through } = read((db) =>
        consistently(db, () => ({
          rows: db.all<RevocationRow>(REVOCATION.expiringAfter, { expiry }),
          through: sizeOf(db),
        })),
      );
      return { entries: rows.map(denyEntryOf), through };
    },
  };
}

/** At most `limit` rows, ending between two sequences: a close comes whole, however large it is. */
function pageOf(db: Connection, after: number, through: number, limit: number): Page {
  const rows = db.all<RevocationRow>(REVOCATION.between, { after, through, limit: limit + 1 });
  const beyond = rows[limit];
  if (beyond === undefined) return { rows, through };
  const whole = rows.filter((row) => row.sequence < beyond.sequence);
  if (whole.length > 0) return { rows: whole, through: beyond.sequence - 1 };
  const { sequence } = beyond;
  return {
    rows: db.all<RevocationRow>(REVOCATION.between, { after, through: sequence, limit: -1 }),
    through: sequence,
  };
}

function sizeOf(db: Connection): number {
  return db.get<{ readonly treeSize: number }>(TREE.size)?.treeSize ?? 0;
}
