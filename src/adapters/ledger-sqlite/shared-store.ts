import { statSync } from "node:fs";
import { join } from "node:path";
import { BrokerError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { NO_REPORT, type ReplicaReport } from "../../domain/replica-report.ts";
import type { EventsPruned } from "../../domain/retention-event.ts";
import type { Head, LedgerDisk, LedgerHealth } from "../../ports/ledger.ts";
import type { LedgerAct } from "../../ports/ledger-acts.ts";
import type { EventRow } from "../../ports/ledger-reads.ts";
import type { Replica } from "../../ports/replicas.ts";
import type { LogTurn, SharedLog } from "../../ports/shared-log.ts";
import { type Connection, DATABASE_FILE, openCopyWriter } from "./connection.ts";
import type { Driver } from "./driver.ts";
import { allOf, HEALTHY, isGranting, type StoreOptions, unavailable, unhealthy } from "./durable-store.ts";
import { databaseBytes, freeBytesIn } from "./ledger-disk.ts";
import { createLogKeeper, type LogMover } from "./log-keeper.ts";
import { migrate, readMigrations, type UpgradeProgress } from "./migrate.ts";
import {
  copyChunks,
  copyDamaged,
  fillCopy,
  isCopyOf,
  isNewestOf,
  PAGE_EVENTS,
  removeCopyFiles,
  snapshotsIn,
} from "./shared-copy.ts";
import { type ChunkOrder, newestSnapshot, writeChunks } from "./snapshot.ts";
import { sqliteCodeOf } from "./sqlite-fault.ts";
import { type Commit, openStore } from "./store.ts";
import { EVENT, eventOf, type StoredEvent, sizeOf } from "./tables/event-table.ts";
import { verifyLog } from "./verify-log.ts";

/** What is told meanwhile, besides the answers. */
export type SharedStoreWatch = {
  readonly upgrading: (progress: UpgradeProgress) => void;
  /** Events of others, which have been taken over. */
  readonly followed: (head: Head, events: readonly string[]) => void;
  /** Who shares the log, each time that it was looked: after all that `followed` was told of before. */
  readonly looked: (replicas: readonly Replica[]) => void;
};

/**
 * A store whose log is shared: acts are ruled on by this replica's own tables, which were brought up to the log's end within the turn.
 * All but the reads and `probe` is to be called as a piece of the work that the store was opened with.
 */
export type SharedStore = {
  head(): Head;
  health(): LedgerHealth;
  disk(): LedgerDisk;
  run(acts: readonly LedgerAct[]): Promise<Commit>;
  keepLog(): void;
  /** As of `DurableStore`; kept in the log's database too. */
  keepChunks(order: ChunkOrder): Promise<number>;
  /** To be called at intervals: takes over what others have appended, and finds out whether the log can be reached. */
  probe(): Promise<void>;
  /** Takes over all that was appended before the call. Throws BrokerError LEDGER_UNAVAILABLE when that can't be known. */
  follow(): Promise<void>;
  /** Who shared the log as it was opened. */
  readonly replicas: readonly Replica[];
  /** Has the others told what this broker says of itself: soon, and again with each renewal of its lease. No piece of work. */
  report(report: ReplicaReport): void;
  readonly cursorKey: Uint8Array;
  close(): Promise<void>;
};

const BEAT_MS = 2_000;
const MICROS_PER_MS = 1_000;
const MICROS_PER_SECOND = 1_000_000;

const REASONS = {
  low: "the disk of this replica has less free space than the limit: nothing is opened or issued here",
  unknown: "the connection to the ledger's database broke off: whether it was recorded will show in the history",
  behind: "it was recorded, but the tables of this replica could not take it over",
  rolledBack: "the ledger went back in time: the newest event of this replica is not in its database any more",
  tooOld: "the tables of this replica are older than what was pruned: a restart makes them anew",
} as const;

/** What nothing but a restart mends. */
class Ended extends Error {
  override readonly name = "Ended";
}

/** What a replica's store needs of the process that it is in. */
export type SharedStoreHelp = {
  readonly mover: LogMover;
  /** Runs one piece of work after the other. Others' events are taken over in a piece of its own. */
  readonly alone: <Result>(work: () => Promise<Result>) => Promise<Result>;
  /** Milliseconds since 1970 by the machine's clock, which may jump. */
  readonly wallMs: () => number;
  /** Milliseconds since any instant. Never goes back. */
  readonly monotonicMs: () => number;
};

/**
 * Opens this replica's copy of a shared log, making it anew where it is damaged, of another log, too old, or from before the log went back
 * in time, and brings it up to the log's end.
 *
 * @throws BrokerError NOT_SERVING or LEDGER_UNAVAILABLE saying why it can't be opened
 */
export async function openSharedStore(
  driver: Driver,
  options: StoreOptions,
  log: SharedLog,
  watch: SharedStoreWatch,
  { mover, alone, wallMs, monotonicMs }: SharedStoreHelp,
): Promise<SharedStore> {
  const { directory, diskFreeBytesMin, now } = options;
  const path = join(directory, DATABASE_FILE);
  let ended: string | undefined;
  /** Why the log can't be appended to at this moment. */
  let failing: string | undefined;
  /** Why nothing is recorded though the log can be reached, as the clocks were when they were compared last. */
  let clockOff: string | undefined;
  let beatAtMs = monotonicMs();
  let report = NO_REPORT;
  const { replicas } = await log.beat(report);
  const db = await openCopyOf();
  const store = openStore(db);
  const keeper = createLogKeeper(db, `${path}-wal`, mover);

  async function openCopyOf(): Promise<Connection> {
    const known = openKnown();
    if (known !== undefined) {
      if ((await isCopyOf(known, log)) && !(await isTooOld(known))) return known;
      known.close();
    }
    removeCopyFiles(path);
    const made = openCopyWriter(driver, path);
    try {
      migrate(made, readMigrations(), now);
      await fillCopy(driver, made, log, (done, total) => watch.upgrading({ done, total, diskBytes: 0 }));
      return made;
    } catch (thrown) {
      made.close();
      throw thrown;
    }
  }

  /** `undefined`: there is none, or none that is any good. Whatever is wrong with it, it is made anew from the log. */
  function openKnown(): Connection | undefined {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    let opened: Connection | undefined;
    try {
      opened = openCopyWriter(driver, path);
      migrate(opened, readMigrations(), now, { freeBytes, progress: watch.upgrading });
      if (verifyLog(opened, "tail").kind === "intact") return opened;
    } catch {
      // E.g. pages that contradict each other, or tables of a newer version.
    }
    opened?.close();
    return undefined;
  }

  async function isTooOld(known: Connection): Promise<boolean> {
    for (let after = sizeOf(known); ; ) {
      const page = await log.read(after, PAGE_EVENTS);
      if (page.some(({ canonical }) => canonical.length === 0)) return true;
      if (page.length < PAGE_EVENTS) return false;
      after += page.length;
    }
  }

  function freeBytes(): number {
    return freeBytesIn(directory);
  }

  /** Takes over what follows the own head, page by page, once the own head is known to be in the log still. */
  async function catchUp({ read }: Pick<LogTurn, "read">): Promise<void> {
    for (;;) {
      const own = store.head().sequence;
      const page = await read(Math.max(0, own - 1), PAGE_EVENTS);
      if (own > 0 && !isNewestOf(db, page[0])) throw new Ended(REASONS.rolledBack);
      const next = own === 0 ? page : page.slice(1);
      if (next.length > 0) await takeOver(next);
      if (page.length < PAGE_EVENTS) return;
    }
  }

  async function takeOver(page: readonly EventRow[]): Promise<void> {
    if (page.some(({ canonical }) => canonical.length === 0)) throw new Ended(REASONS.tooOld);
    for (const { through } of snapshotsIn(page)) await copyChunks(db, log, through);
    try {
      store.takeOver(page);
    } catch (thrown) {
      if (sqliteCodeOf(thrown) === undefined || isContradiction(thrown)) {
        throw new Ended(copyDamaged("an event does not follow from those before it").message);
      }
      throw thrown;
    }
    watch.followed(
      store.head(),
      page.map(({ canonical }) => Buffer.from(canonical).toString("utf8")),
    );
  }

  function isAtHead({ head }: LogTurn): boolean {
    const own = store.head();
    return own.sequence === head.sequence && Buffer.compare(own.rootHash, head.rootHash) === 0;
  }

  /** Instants of all replicas are in one log: whose clock is off records nothing. */
  function compareClock({ at }: Pick<LogTurn, "at">): void {
    const seconds = (wallMs() * MICROS_PER_MS - at) / MICROS_PER_SECOND;
    const by = `${Math.abs(seconds).toFixed(0)} s ${seconds > 0 ? "ahead of" : "behind"}`;
    const isOff = Math.abs(seconds) > LIMITS.clockSkewSecondsMax;
    clockOff = isOff ? `this replica's clock is ${by} the clock of the ledger's database` : undefined;
  }

  function checkClock(turn: LogTurn): void {
    compareClock(turn);
    if (clockOff !== undefined) throw new BrokerError("LEDGER_UNAVAILABLE", clockOff);
  }

  async function inTurn<Result>(work: (turn: LogTurn) => Promise<Result>): Promise<Result> {
    const turn = await log.take();
    try {
      checkClock(turn);
      if (turn.head.sequence - store.head().sequence < PAGE_EVENTS) {
        if (!isAtHead(turn)) await catchUp(turn);
        // The tree that this replica computed for itself has to be the one that is stored.
        if (!isAtHead(turn)) throw new Ended(copyDamaged("its events are not those of its tree").message);
        return await work(turn);
      }
    } finally {
      await turn.release();
    }
    // Nobody waits for what was appended long ago.
    await catchUp(log);
    return inTurn(work);
  }

  async function commit(acts: readonly LedgerAct[], turn: LogTurn): Promise<Commit> {
    const before = store.head().sequence;
    const { outcomes, events, head } = store.prepare(acts);
    try {
      if (events.length === 0) return { outcomes, events };
      const rows = db.all<StoredEvent>(EVENT.after, { after: before, limit: events.length });
      const isAppended = await turn.append({ events: rows, head, pruned: prunedBy(rows) });
      if (isAppended === "unknown") return allOf(acts, unavailable(REASONS.unknown));
      try {
        store.confirm();
      } catch (thrown) {
        return allOf(acts, unavailable(REASONS.behind, sqliteCodeOf(thrown)));
      }
      return { outcomes, events };
    } finally {
      store.abandon();
    }
  }

  function isLow(): boolean {
    return freeBytes() < diskFreeBytesMin;
  }

  /** Whatever fails here is known by its reason until it succeeds again. */
  async function heeding<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      if (ended !== undefined) throw new Ended(ended);
      const result = await work();
      failing = undefined;
      return result;
    } catch (thrown) {
      if (thrown instanceof Ended) ended = thrown.message;
      else failing = reasonOf(thrown);
      throw thrown;
    }
  }

  async function run(acts: readonly LedgerAct[]): Promise<Commit> {
    const low = isLow();
    const admitted = low ? acts.filter((act) => !isGranting(act)) : acts;
    if (admitted.length === 0) return allOf(acts, unavailable(REASONS.low));
    try {
      const { outcomes, events } = await heeding(() => inTurn((turn) => commit(admitted, turn)));
      const results = outcomes[Symbol.iterator]();
      const isRefused = (act: LedgerAct) => low && isGranting(act);
      const inPlace = acts.map(
        (act) => (isRefused(act) ? undefined : results.next().value) ?? unavailable(REASONS.low),
      );
      return { outcomes: inPlace, events };
    } catch (thrown) {
      const outcome = thrown instanceof BrokerError ? ({ kind: "failed", error: thrown } as const) : undefined;
      return allOf(acts, outcome ?? unavailable(reasonOf(thrown)));
    }
  }

  function recorded(): number {
    return newestSnapshot(db)?.through ?? 0;
  }

  async function keepChunks(order: ChunkOrder): Promise<number> {
    if (order.kind === "keep") await log.chunks.put(order.through, order.first, order.chunks);
    const forgotten = order.kind === "forget" ? await log.chunks.forget([recorded(), order.made]) : 0;
    return Math.max(
      forgotten,
      store.aside((connection) => writeChunks(connection, order)),
    );
  }

  async function probe(): Promise<void> {
    await catchUp(log);
    if (monotonicMs() - beatAtMs < BEAT_MS) return;
    await beat();
  }

  async function beat(): Promise<void> {
    beatAtMs = monotonicMs();
    const found = await log.beat(report);
    compareClock(found);
    watch.looked(found.replicas);
  }

  /** A piece of work that does not wait behind itself. */
  function folded(work: () => Promise<void>): () => void {
    let isWaiting = false;
    return () => {
      if (isWaiting) return;
      isWaiting = true;
      const piece = alone(async () => {
        isWaiting = false;
        await work();
      });
      piece.catch(() => undefined);
    };
  }

  const follow = () => heeding(() => catchUp(log));
  await follow();
  await inTurn(async () => undefined);
  log.onAppended(() => void alone(follow).catch(() => undefined));
  log.onReported(folded(async () => watch.looked(await log.replicas())));
  const tell = folded(() => heeding(beat));

  return {
    head: store.head,
    health() {
      const reason = ended ?? failing ?? clockOff;
      if (reason !== undefined) return unhealthy(reason);
      return isLow() ? unhealthy(REASONS.low) : HEALTHY;
    },
    disk: () => ({
      freeBytes: freeBytes(),
      ledgerBytes: databaseBytes(path),
      freeBytesMin: diskFreeBytesMin,
    }),
    run,
    keepLog() {
      try {
        keeper.committed();
      } catch {
        // As of a durable store: it is tried again after the next commit.
      }
    },
    keepChunks: (order) => heeding(() => keepChunks(order)),
    async probe() {
      // Why it fails is in `health`.
      await alone(() => heeding(probe)).catch(() => undefined);
    },
    follow,
    replicas,
    report(said) {
      report = said;
      // What can't be told now is told with the next renewal, and must not keep those waiting who are to be refused.
      if (failing === undefined && ended === undefined) tell();
    },
    cursorKey: log.cursorKey,
    async close() {
      await log.close();
      db.close();
    },
  };
}

/** What the events of a group take the content from. */
function prunedBy(rows: readonly StoredEvent[]): EventsPruned["ranges"] {
  return rows
    .filter(({ type }) => type === "events.pruned")
    .flatMap(({ canonical }) => (eventOf(canonical) as EventsPruned).ranges);
}

/** What an event does to the tables is as certain as the event: a constraint that it breaks is no fault of the disk. */
function isContradiction(thrown: unknown): boolean {
  return sqliteCodeOf(thrown)?.startsWith("SQLITE_CONSTRAINT") === true;
}

function reasonOf(thrown: unknown): string {
  if (thrown instanceof BrokerError || thrown instanceof Ended) return thrown.message;
  return `the tables of this replica can't be written (${sqliteCodeOf(thrown) ?? String(thrown)})`;
}
