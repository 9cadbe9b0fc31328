import { openSharedLog } from "../../../src/adapters/ledger-postgres/shared-log.ts";
import { append, EMPTY_RANGE, rootOf } from "../../../src/domain/merkle-tree.ts";
import type { EventRow } from "../../../src/ports/ledger-reads.ts";
import { postgresPrograms, startPostgres } from "../../../test/postgres/server.ts";
import { newLogOn } from "../../../test/postgres/shared-logs.ts";

const EVENTS_PER_GROUP = 64;

/**
 * What the events of a step take in PostgreSQL, fsync on: of its tables, and of its write-ahead log, which goes to standbys and archives too.
 *
 * @param events - of so many steps, from the first on.
 */
export async function measureSharedLog(events: readonly EventRow[], steps: number) {
  const server = await startPostgres((await postgresPrograms())["18"], ["max_connections=20"]);
  try {
    const { settings } = await newLogOn(server);
    const log = await openSharedLog(settings);
    const sizes = async () => {
      const [row] = await server.query(
        `SELECT pg_database_size('${settings.database}') AS tables, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS wal`,
      );
      return { tables: Number(row?.["tables"]), wal: Number(row?.["wal"]) };
    };
    const before = await sizes();
    const startedMs = performance.now();
    let range = EMPTY_RANGE;
    let turns = 0;
    for (let from = 0; from < events.length; from += EVENTS_PER_GROUP) {
      const group = events.slice(from, from + EVENTS_PER_GROUP);
      for (const { leafHash } of group) ({ range } = append(range, leafHash));
      const turn = await log.take();
      await turn.append({
        events: group,
        head: { epoch: "epoch_1", sequence: range.size, rootHash: rootOf(range) },
        pruned: [],
      });
      turns += 1;
    }
    const turnMs = (performance.now() - startedMs) / turns;
    const after = await sizes();
    await log.close();
    return {
      sharedTableBytes: (after.tables - before.tables) / steps,
      sharedLogBytes: (after.wal - before.wal) / steps,
      turnOf64EventsMs: turnMs,
    };
  } finally {
    await server.close();
  }
}
