import { statSync } from "node:fs";
import { join } from "node:path";
import { BrokerError } from "../../domain/errors.ts";
import type { UnixMicros } from "../../domain/time.ts";
import type { Head, LedgerDisk, LedgerHealth } from "../../ports/ledger.ts";
import type { ActName, LedgerAct } from "../../ports/ledger-acts.ts";
import {
  type Connection,
  DATABASE_FILE,
  limitLog,
  openWriter,
  WAL_AUTOCHECKPOINT_PAGES,
  WAL_BYTES_MAX,
} from "./connection.ts";
import type { Driver } from "./driver.ts";
import { databaseBytes, freeBytesIn } from "./ledger-disk.ts";
import { createLogKeeper, type LogKeeper, type LogMover } from "./log-keeper.ts";
import { migrate, readMigrations, type UpgradeProgress } from "./migrate.ts";
import { openReserve } from "./reserve.ts";
import { checkNotMoved } from "./seal.ts";
import { type ChunkOrder, writeChunks } from "./snapshot.ts";
import { faultOf, sqliteCodeOf } from "./sqlite-fault.ts";
import { type Commit, type Outcome, openStore, type Store } from "./store.ts";
import { continues, verifyLog, verifyPages } from "./verify-log.ts";

export type StoreOptions = {
  readonly directory: string;
  readonly reserveBytes: number;
  readonly diskFreeBytesMin: number;
  /** The instant of the start, for the record of migrations. */
  readonly now: UnixMicros;
};

export type StoreWatch = { readonly upgrading: (progress: UpgradeProgress) => void };

/** What moves the write-ahead log; absent: the commits do. */
export type StoreHelp = { readonly mover?: LogMover };

export const HEALTHY: LedgerHealth = { writable: true, reasons: [] };

export function unhealthy(reason: string): LedgerHealth {
  return { writable: false, reasons: [reason] };
}

/** A store on files that goes on when the disk is full, and stops after any worse fault. */
export type DurableStore = {
  head(): Head;
  health(): LedgerHealth;
  /** Looks at the disk now. */
  disk(): LedgerDisk;
  run(acts: readonly LedgerAct[]): Commit;
  /** To be called once a group is answered: keeps the write-ahead log short. */
  keepLog(): void;
  /**
   * Keeps chunks of a snapshot, or forgets a few of others.
   *
   * @returns how many it wrote or forgot.
   * @throws BrokerError LEDGER_UNAVAILABLE when there is less room than credentials need, or nothing can be written
   */
  keepChunks(order: ChunkOrder): number;
  /** To be called at intervals: notices a disk that fills or empties, and tries to reopen a broken ledger. */
  probe(): void;
  close(): void;
};

const RESERVE_FILE = "ledger.reserve";

/** Acts that take authority away must be recorded even when nothing else can be recorded. */
const ESSENTIAL: ReadonlySet<ActName> = new Set([
  "close",
  "offboard-principal",
  "revoke-credential",
  "retire-entry",
  "mark-undelivered",
]);
/** Disabling an entry takes authority away too; any other put of an entry may give authority. */
function isEssential(act: LedgerAct): boolean {
  return ESSENTIAL.has(act.act) || (act.act === "put-entry" && act.entry.disabled);
}

/** Acts that give authority are refused first, while there is room left for all other acts. */
const GRANTING: ReadonlySet<ActName> = new Set(["open-step", "record-issuances"]);

export function isGranting({ act }: LedgerAct): boolean {
  return GRANTING.has(act);
}

const DISK_CHECK_INTERVAL_MS = 100;
/** On a full disk the write-ahead log has to be reused instead of growing. */
const FULL_AUTOCHECKPOINT_PAGES = 50;
/** With less room than the log may take for a while, commits move it themselves, so that there is no more of it than before. */
const ROOM_FOR_LOG_BYTES = 2 * WAL_BYTES_MAX;
/** Reading through a larger database, each index against its table, would make a start wait for seconds. */
const INTEGRITY_CHECK_BYTES_MAX = 64 * 1024 * 1024;

const REASONS = {
  low: "the ledger's disk has less free space than the limit: nothing is opened or issued",
  full: "the ledger's disk is full: only closing and revoking are recorded",
  broken: "the ledger could not be written: nothing is recorded until it is reopened and verified",
} as const;

/**
 * Opens the ledger in a directory, bringing its schema up to date and verifying it.
 *
 * @throws BrokerError NOT_SERVING or LEDGER_UNAVAILABLE saying why the ledger can't be opened; any other error is what
 *   SQLite threw
 */
export function openDurableStore(
  driver: Driver,
  options: StoreOptions,
  watch: StoreWatch,
  { mover }: StoreHelp = {},
): DurableStore {
  const { directory, reserveBytes, diskFreeBytesMin, now } = options;
  const path = join(directory, DATABASE_FILE);
  const reserve = openReserve(join(directory, RESERVE_FILE), reserveBytes);
  let disk: "ample" | "low" | "full" = "ample";
  let broken: string | undefined;
  let checkedAtMs = Number.NEGATIVE_INFINITY;
  let autocheckpointPages = WAL_AUTOCHECKPOINT_PAGES;
  let { db, store, log } = openMakingRoom();
  let head = store.head();
  checkDisk(true);

  function open(): { db: Connection; store: Store; log: LogKeeper | undefined } {
    const opened = openWriter(driver, path);
    try {
      migrate(opened, readMigrations(), now, { freeBytes, progress: watch.upgrading });
      verifyAtStart(opened, path);
      checkNotMoved(opened);
      opened.pragma(`wal_autocheckpoint = ${autocheckpointPages}`);
      const log = mover === undefined ? undefined : createLogKeeper(opened, `${path}-wal`, mover);
      return { db: opened, store: openStore(opened), log };
    } catch (thrown) {
      opened.close();
      throw thrown;
    }
  }

  /** SQLite needs a little room even to open. */
  function openMakingRoom(): ReturnType<typeof open> {
    try {
      return open();
    } catch (thrown) {
      if (faultOf(thrown) !== "full" || !reserve.isFilled()) throw thrown;
      reserve.release();
      return open();
    }
  }

  function freeBytes(): number {
    return freeBytesIn(directory);
  }

  /**
   * Looks at the disk, at most once in `DISK_CHECK_INTERVAL_MS` unless forced. The disk counts as full for as long as
   * there is no reserve: any other write would take the room in which closes have to be recorded.
   */
  function checkDisk(isForced: boolean): void {
    const nowMs = performance.now();
    if (!isForced && nowMs - checkedAtMs < DISK_CHECK_INTERVAL_MS) return;
    checkedAtMs = nowMs;
    // Twice the reserve must be free, so that as much again is left once the reserve is taken.
    const hasReserve = reserve.isFilled() || (freeBytes() >= 2 * reserveBytes && reserve.fill());
    const free = freeBytes();
    if (hasReserve) setDisk(free < diskFreeBytesMin ? "low" : "ample", free);
    else setDisk("full", free);
  }

  function setDisk(next: typeof disk, free: number): void {
    disk = next;
    const isMovedElsewhere = mover !== undefined && free >= ROOM_FOR_LOG_BYTES && next !== "full";
    const inCommits = next === "full" ? FULL_AUTOCHECKPOINT_PAGES : WAL_AUTOCHECKPOINT_PAGES;
    const pages = isMovedElsewhere ? 0 : inCommits;
    if (pages === autocheckpointPages) return;
    autocheckpointPages = pages;
    db.pragma(`wal_autocheckpoint = ${pages}`);
    if (!isMovedElsewhere) limitLog(db);
  }

  function admits(act: LedgerAct): boolean {
    if (disk === "full") return isEssential(act);
    return disk === "ample" || !isGranting(act);
  }

  function commit(acts: readonly LedgerAct[]): Commit {
    const admitted = acts.filter(admits);
    // An error takes longer to make than an act to record, and almost no group has one that is refused.
    const refused = (): Outcome => unavailable(disk === "ample" ? REASONS.broken : REASONS[disk]);
    if (admitted.length === 0) return allOf(acts, refused());
    let done: Commit;
    try {
      done = store.commit(admitted);
      head = store.head();
    } catch (thrown) {
      if (faultOf(thrown) !== "full" || disk === "full") return failAll(acts, thrown);
      // Tries again, now with the room of the reserve, and only with the acts that the reserve is kept for.
      reserve.release();
      setDisk("full", 0);
      return commit(acts);
    }
    const results = done.outcomes[Symbol.iterator]();
    const outcomes = acts.map((act) => (admits(act) ? results.next().value : undefined) ?? refused());
    return { outcomes, events: done.events };
  }

  function failAll(acts: readonly LedgerAct[], thrown: unknown): Commit {
    heed(thrown);
    const reason = faultOf(thrown) === "busy" ? "the ledger is held by another program" : (broken ?? REASONS.full);
    return allOf(acts, unavailable(reason, codeOf(thrown)));
  }

  /** Neither a full disk nor a foreign lock has damaged anything: whoever is next may try. */
  function heed(thrown: unknown): void {
    const fault = faultOf(thrown);
    if (fault !== "full" && fault !== "busy") broken = `${REASONS.broken} (${codeOf(thrown)})`;
  }

  /**
   * After an I/O error, a later success proves nothing about earlier writes. So the connection is opened anew, the log
   * is compared with the head that was acknowledged, and the write-ahead log is written into the database again.
   */
  function reopen(): void {
    closeQuietly(db);
    try {
      ({ db, store, log } = open());
      const finding = continues(db, head);
      if (finding.kind === "damaged") {
        broken = `the ledger went back in time: ${finding.reason}`;
      } else if (rewrite(db)) {
        broken = undefined;
        head = store.head();
      }
    } catch (thrown) {
      broken = `${REASONS.broken} (${thrown instanceof BrokerError ? thrown.message : (sqliteCodeOf(thrown) ?? "")})`;
    }
  }

  return {
    head: () => head,
    health() {
      if (broken !== undefined) return unhealthy(broken);
      return disk === "ample" ? HEALTHY : unhealthy(REASONS[disk]);
    },
    disk: () => ({
      freeBytes: freeBytes(),
      ledgerBytes: databaseBytes(path),
      freeBytesMin: diskFreeBytesMin,
    }),
    run(acts) {
      if (broken !== undefined) return allOf(acts, unavailable(broken));
      checkDisk(false);
      return commit(acts);
    },
    keepLog() {
      if (broken !== undefined || autocheckpointPages !== 0) return;
      try {
        log?.committed();
      } catch {
        // Nobody waits for it and nothing is lost: it is tried again after the next commit, in which a disk that fails shows.
      }
    },
    keepChunks(order) {
      checkDisk(true);
      const refusal = broken ?? (disk === "ample" ? undefined : REASONS[disk]);
      if (refusal !== undefined) throw new BrokerError("LEDGER_UNAVAILABLE", refusal);
      try {
        return store.aside((connection) => writeChunks(connection, order));
      } catch (thrown) {
        heed(thrown);
        throw thrown;
      }
    },
    probe() {
      if (broken !== undefined) reopen();
      if (broken === undefined) checkDisk(true);
    },
    close: () => db.close(),
  };
}

function codeOf(thrown: unknown): string {
  return sqliteCodeOf(thrown) ?? String(thrown);
}

/** @throws BrokerError LEDGER_UNAVAILABLE when the database is not what was written */
export function verifyAtStart(db: Connection, path: string): void {
  const isSmall = statSync(path).size <= INTEGRITY_CHECK_BYTES_MAX;
  for (const verifies of isSmall ? [verifyPages, verifyLog] : [verifyLog]) {
    const finding = verifies(db, "tail");
    if (finding.kind === "damaged") {
      throw new BrokerError("LEDGER_UNAVAILABLE", `the ledger is damaged: ${finding.reason}`);
    }
  }
  // Asks for the lock that a read-only database does not give.
  db.exec("BEGIN IMMEDIATE; ROLLBACK");
}

/** Writes a row and moves the whole write-ahead log into the database; `false` while a reader prevents the move. */
function rewrite(db: Connection): boolean {
  db.exec("UPDATE schema_migration SET applied_at_us = applied_at_us");
  const [result] = db.pragma("wal_checkpoint(TRUNCATE)") as readonly { readonly busy: number }[];
  return result?.busy === 0;
}

/** Answers every act with one outcome; nothing is recorded. */
export function allOf(acts: readonly LedgerAct[], outcome: Outcome): Commit {
  return { outcomes: acts.map(() => outcome), events: [] };
}

export function unavailable(reason: string, detail?: string): Outcome {
  const options = detail === undefined ? {} : { detail };
  return { kind: "failed", error: new BrokerError("LEDGER_UNAVAILABLE", reason, options) };
}

function closeQuietly(db: Connection): void {
  try {
    db.close();
  } catch {
    // The connection is given up because it is broken; a close that fails adds nothing to that.
  }
}
