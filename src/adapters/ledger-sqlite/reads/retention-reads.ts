import { type Cutoffs, RETENTION_CLASSES, type RetentionClass, typesOf } from "../../../domain/retention.ts";
import type { DueClass, RetentionStanding } from "../../../ports/ledger-retention.ts";
import type { Connection } from "../connection.ts";
import { newestSnapshot } from "../snapshot.ts";
import { DUE, minuteOf } from "../tables/event-table.ts";
import { LEGAL_HOLD, type LegalHoldRow, PRUNED_RANGE } from "../tables/retention-table.ts";
import type { Reader } from "./reader.ts";

/** The migration that a ledger has seen from its first start on, if its first version was one that prunes. */
const RETENTION_MIGRATION = 24;

export type RetentionReads = {
  due(cutoffs: Cutoffs, after: number): Promise<readonly DueClass[]>;
  standing(): Promise<RetentionStanding>;
};

export function createRetentionReads({ read }: Reader): RetentionReads {
  return {
    due: async (cutoffs, after) => read((db) => RETENTION_CLASSES.flatMap((name) => dueOf(db, name, cutoffs, after))),
    standing: async () => read(standing),
  };
}

function dueOf(db: Connection, name: RetentionClass, cutoffs: Cutoffs, after: number): readonly DueClass[] {
  const before = cutoffs[name];
  if (before === undefined) return [];
  const types = JSON.stringify(typesOf(name));
  const found = db.get<{ readonly events: number; readonly bytes: number }>(DUE.byTypes, {
    types,
    before,
    after,
    untilMinute: minuteOf(before),
  });
  return [{ class: name, ...(found ?? { events: 0, bytes: 0 }) }];
}

function standing(db: Connection): RetentionStanding {
  const snapshot = newestSnapshot(db);
  const first = db.get<{ readonly isNew: 0 | 1 }>(IS_NEW, { number: RETENTION_MIGRATION });
  return {
    isNew: first?.isNew === 1,
    ...(snapshot === undefined ? {} : { snapshot: { through: snapshot.through, bytes: snapshot.bytes } }),
    prunedEvents: db.get<{ readonly count: number }>(PRUNED_RANGE.total)?.count ?? 0,
    holds: db
      .all<LegalHoldRow>(LEGAL_HOLD.all)
      .map(({ holdId, scope, value, reason, placedAt }) => ({ holdId, scope, value, reason, placedAt })),
  };
}

/** Migrations of one start have one instant. */
const IS_NEW = `
  SELECT min(applied_at_us) = (SELECT applied_at_us FROM schema_migration WHERE number = @number) AS isNew
    FROM schema_migration`;
