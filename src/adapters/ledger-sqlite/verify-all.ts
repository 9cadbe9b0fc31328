import { BrokerError } from "../../domain/errors.ts";
import { EMPTY_RANGE, rootOf } from "../../domain/merkle-tree.ts";
import type { Finding, VerificationProgress } from "../../ports/ledger.ts";
import { compareTable } from "./compare-table.ts";
import type { Connection } from "./connection.ts";
import type { Driver } from "./driver.ts";
import { followEvent, headOf, type LogState, readState, writeHead } from "./log.ts";
import { ProjectionMismatch } from "./projection-mismatch.ts";
import { PROJECTIONS } from "./projections.ts";
import { consistently } from "./reads/reader.ts";
import { openRestored } from "./snapshot.ts";
import { sqliteCodeOf } from "./sqlite-fault.ts";
import { eventOf, isPruned, type StoredEvent, sizeOf } from "./tables/event-table.ts";
import { type VerifiedPage, verifyLog, verifyPage, verifyPages } from "./verify-log.ts";

const INTACT: Finding = { kind: "intact" };
const FOREIGN: Finding = { kind: "damaged", reason: "the snapshot is not of these events" };

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
  const verified = verifyInto(driver, db, progress);
  verified.tables?.close();
  return verified.finding;
}

/** `tables`: the tables as they follow from the events, where these are intact. The caller closes the database. */
export type Verified =
  | { readonly finding: Extract<Finding, { readonly kind: "damaged" }>; readonly tables?: undefined }
  | { readonly finding: Extract<Finding, { readonly kind: "intact" }>; readonly tables: Connection };

/** Verifies as `verifyAll` does, and gives what it wrote on the way. */
export function verifyInto(
  driver: Driver,
  db: Connection,
  progress: (progress: VerificationProgress) => void = () => undefined,
): Verified {
  let scratch: Connection;
  try {
    scratch = openRestored(driver, db);
  } catch (thrown) {
    if (!(thrown instanceof BrokerError) || thrown.code !== "LEDGER_UNAVAILABLE") throw thrown;
    return { finding: { kind: "damaged", reason: thrown.message } };
  }
  try {
    const finding = verifyBy(db, scratch, progress);
    if (finding.kind === "intact") return { finding, tables: scratch };
    scratch.close();
    return { finding };
  } catch (thrown) {
    scratch.close();
    throw thrown;
  }
}

function verifyBy(db: Connection, scratch: Connection, progress: (progress: VerificationProgress) => void): Finding {
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
}

type Replay = {
  /** Takes the next page. @returns how many events it had; 0 at the end, and once something was found. */
  next(): number;
  finding(): Finding;
  size(): number;
  end(): void;
};

/**
 * Verifies events page by page, and writes what follows from them into a database that has the tables of the snapshot, or empty ones. What
 * events say that the snapshot has seen is in its tables.
 */
function createReplay(db: Connection, scratch: Connection): Replay {
  let page: VerifiedPage = { range: EMPTY_RANGE, finding: INTACT, events: [] };
  let state: LogState = readState(scratch);
  const through = state.range.size;
  const rootThrough = headOf(state).rootHash;
  let finding: Finding = INTACT;

  function follow(events: readonly StoredEvent[]): Finding {
    const gone = events.find(({ canonical }) => isPruned(canonical));
    if (gone !== undefined)
      return { kind: "damaged", reason: `no snapshot has seen the pruned event ${gone.sequence}` };
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
      const isBefore = page.range.size < through;
      page = verifyPage(db, page.range, isBefore ? through - page.range.size : undefined);
      if (page.finding.kind === "damaged") finding = page.finding;
      else if (!isBefore) finding = follow(page.events);
      else if (page.range.size === through && Buffer.compare(rootOf(page.range), rootThrough) !== 0) finding = FOREIGN;
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
