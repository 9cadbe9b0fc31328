import { BrokerError } from "../../domain/errors.ts";
import { EMPTY_RANGE } from "../../domain/merkle-tree.ts";
import type { UnixMicros } from "../../domain/time.ts";
import type { Finding, VerificationProgress } from "../../ports/ledger.ts";
import { compareTable } from "./compare-table.ts";
import { type Connection, openScratch } from "./connection.ts";
import type { Driver } from "./driver.ts";
import { EMPTY_LOG, followEvent, type LogState, writeHead } from "./log.ts";
import { migrate, readMigrations } from "./migrate.ts";
import { ProjectionMismatch } from "./projection-mismatch.ts";
import { consistently } from "./reads/reader.ts";
import { PROJECTIONS } from "./rebuild.ts";
import { sqliteCodeOf } from "./sqlite-fault.ts";
import { eventOf, type StoredEvent, sizeOf } from "./tables/event-table.ts";
import { type VerifiedPage, verifyLog, verifyPage, verifyPages } from "./verify-log.ts";

const INTACT: Finding = { kind: "intact" };

/**
 * Verifies the whole ledger, on a connection that may only read: every page and index, every event against the tree,
 * and every table against what the events say, by replaying the events into a temporary database. Takes about as long
 * as writing the whole ledger once more.
 *
 * The events are read page by page, each page at its own instant, since a read that lasts for minutes would keep the
 * write-ahead log from being reused. Only the comparison of the tables sees one commit.
 */
export function verifyAll(
  driver: Driver,
  db: Connection,
  progress: (progress: VerificationProgress) => void = () => undefined,
): Finding {
  const scratch = openScratch(driver);
  try {
    migrate(scratch, readMigrations(), 0 as UnixMicros);
    const pages = verifyPages(db);
    if (pages.kind === "damaged") return pages;
    scratch.exec("BEGIN");
    const verifying = createReplay(db, scratch);
    for (let read = verifying.next(); read > 0; read = verifying.next()) {
      if (verifying.finding().kind === "damaged") return verifying.finding();
      progress({ stage: "events", done: verifying.size(), total: Math.max(verifying.size(), sizeOf(db)) });
    }
    return consistently(db, () => {
      while (verifying.next() > 0) {
        // What was recorded since the page before.
      }
      const events = verifying.finding();
      if (events.kind === "damaged") return events;
      // Compares the head, which is of this commit, with the newest events once more.
      const log = verifyLog(db, "tail");
      if (log.kind === "damaged") return log;
      verifying.end();
      return verifyTables(db, scratch, progress);
    });
  } finally {
    scratch.close();
  }
}

type Replay = {
  /** Takes the next page. @returns how many events it had; 0 at the end, and once something was found. */
  next(): number;
  finding(): Finding;
  size(): number;
  end(): void;
};

/** Verifies events page by page, and writes what follows from them into an empty database. */
function createReplay(db: Connection, scratch: Connection): Replay {
  let page: VerifiedPage = { range: EMPTY_RANGE, finding: INTACT, events: [] };
  let state: LogState = EMPTY_LOG;
  let finding: Finding = INTACT;

  function follow(events: readonly StoredEvent[]): Finding {
    try {
      for (const { canonical, leafHash } of events) state = followEvent(scratch, state, eventOf(canonical), leafHash);
      return INTACT;
    } catch (thrown) {
      const isFinding = thrown instanceof ProjectionMismatch || thrown instanceof BrokerError;
      if (!isFinding && sqliteCodeOf(thrown) === undefined) throw thrown;
      const reason = `the event ${state.range.size + 1} does not fit what the events before it say`;
      return { kind: "damaged", reason };
    }
  }

  return {
    next() {
      if (finding.kind === "damaged") return 0;
      page = verifyPage(db, page.range);
      finding = page.finding.kind === "damaged" ? page.finding : follow(page.events);
      return page.events.length;
    },
    finding: () => finding,
    size: () => page.range.size,
    end() {
      if (state.range.size > 0) writeHead(scratch, state);
    },
  };
}

function verifyTables(
  db: Connection,
  scratch: Connection,
  progress: (progress: VerificationProgress) => void,
): Finding {
  for (const [done, table] of PROJECTIONS.entries()) {
    const reason = compareTable(db, scratch, table);
    if (reason !== undefined) return { kind: "damaged", reason };
    progress({ stage: "tables", done: done + 1, total: PROJECTIONS.length });
  }
  return INTACT;
}
