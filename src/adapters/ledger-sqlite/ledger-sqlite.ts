import { join } from "node:path";
import type { MessagePort } from "node:worker_threads";
import { BrokerError } from "../../domain/errors.ts";
import { newId } from "../../domain/ids.ts";
import { createFollowers } from "../../ledger/followers.ts";
import type { CheckpointStore } from "../../ports/checkpoint-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Committed } from "../../ports/following.ts";
import type { Head, OpenedLedger, Verdict } from "../../ports/ledger.ts";
import type { Randomness } from "../../ports/randomness.ts";
import type { Replica } from "../../ports/replicas.ts";
import { createBackups } from "./backup-thread.ts";
import { DATABASE_FILE, openReader } from "./connection.ts";
import { type Driver, loadDriver } from "./driver.ts";
import { createGroupQueue, type GroupQueue } from "./group-queue.ts";
import { createHeadKeeper, type HeadKeeper } from "./head-keeper.ts";
import { createHistoryThread } from "./history-thread.ts";
import { createKnownReplicas } from "./known-replicas.ts";
import { lockDirectory } from "./lock.ts";
import type { UpgradeProgress } from "./migrate.ts";
import { oneAfterTheOther } from "./one-after-the-other.ts";
import { createCallApprovalReads } from "./reads/call-approval-reads.ts";
import { createCredentialReads } from "./reads/credential-reads.ts";
import { createEventReads } from "./reads/event-reads.ts";
import { createFeedReads } from "./reads/feed-reads.ts";
import { lookedTwice } from "./reads/looked-twice.ts";
import { createPolicyReads } from "./reads/policy-reads.ts";
import { createProjectionReads } from "./reads/projection-reads.ts";
import { createReader, type Reader } from "./reads/reader.ts";
import { createRegistryReads } from "./reads/registry-reads.ts";
import { createStepReads } from "./reads/step-reads.ts";
import { createToolReads } from "./reads/tool-reads.ts";
import { createRetention } from "./retention.ts";
import { BACKUP_MARK, type BackupMark } from "./tables/backup-mark-table.ts";
import { type HeadRow, TREE } from "./tables/event-table.ts";
import { decodeError, encodeError } from "./thread-messages.ts";
import { continues } from "./verify-log.ts";
import { startWriter, type WriterAhead } from "./writer-thread.ts";

export type SqliteLedgerOptions = {
  /** An existing directory that is the broker's alone. */
  readonly directory: string;
  readonly checkpoints: CheckpointStore;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Room kept for closing and revoking on a full disk. */
  readonly reserveBytes: number;
  /** With less free space than this, nothing is opened or issued. */
  readonly diskFreeBytesMin: number;
  /**
   * What signs in the writing thread what was committed there: a module that exports `openCommitSigner`, which makes a
   * `CommitSigner` of the port. Absent: the ledger signs nothing.
   */
  readonly signing?: { readonly module: URL; readonly port: MessagePort };
  /**
   * The log, where it is shared with other brokers: a module that exports `openSharedLog`, which makes a `SharedLog` of the settings. The
   * directory then holds this broker's tables, which are made anew from the log where they are missing. Absent: the directory holds the log.
   */
  readonly shared?: {
    readonly module: URL;
    readonly settings: { readonly replica: { readonly name: string } } & object;
  };
  /** Told of each error in the background. */
  readonly failed: (error: unknown) => void;
  /** Told how far the upgrade of an older ledger has come; until the upgrade is done nothing else is possible. */
  readonly upgrading?: (progress: UpgradeProgress) => void;
  /** The writing thread, started before it was known where the ledger lies. Absent: threads start as they are needed. */
  readonly ahead?: WriterAhead;
};

/**
 * Opens the ledger in a directory: locks it against other processes, brings its schema up to date, verifies it, and
 * compares it with the head that was acknowledged last. A new ledger begins its first epoch.
 *
 * @throws BrokerError NOT_SERVING when another process has the ledger or its schema is not this program's;
 *   LEDGER_UNAVAILABLE when the ledger is damaged or can't be written
 */
export async function openSqliteLedger(options: SqliteLedgerOptions): Promise<OpenedLedger> {
  const driver = await loadDriver();
  try {
    const unlock = lockDirectory(driver, options.directory);
    return await openLocked(driver, options, unlock);
  } catch (thrown) {
    throw thrown instanceof BrokerError ? thrown : decodeError(encodeError(thrown));
  }
}

async function openLocked(driver: Driver, options: SqliteLedgerOptions, unlock: () => void): Promise<OpenedLedger> {
  const { directory, reserveBytes, diskFreeBytesMin, clock, signing, shared, ahead } = options;
  const data = {
    ...{ directory, reserveBytes, diskFreeBytesMin, now: clock.now() },
    ...(signing === undefined ? {} : { signing: { module: signing.module.href, port: signing.port } }),
    ...(shared === undefined ? {} : { shared: { module: shared.module.href, settings: shared.settings } }),
  };
  const reader = createReader(() => openReader(driver, join(directory, DATABASE_FILE)));
  let keeper: HeadKeeper | undefined;
  let commits = 0;
  const replicas =
    shared === undefined
      ? undefined
      : createKnownReplicas(shared.settings.replica.name, (report) => writer.report(report));
  const followers = createFollowers({
    head: () => writer.head().sequence,
    read: createEventReads(reader),
    clock,
    failed: options.failed,
  });
  // A verification takes minutes on a large ledger. On a thread of its own, it keeps no operator's read waiting.
  const [history, verification] = [createHistoryThread({ directory }), createHistoryThread({ directory })];
  // Whoever is in a hurry to begin reads the newest event first of all.
  if (ahead !== undefined) history.loadAhead();
  const watch = {
    committed(head: Head, events: readonly Committed[] | undefined) {
      commits += 1;
      keeper?.committed(head);
      followers.committed(events);
    },
    upgrading: options.upgrading ?? (() => undefined),
    replicas: (told: readonly Replica[]) => replicas?.told(told),
  };
  const writer = await startWriter(data, watch, ahead).catch(async (thrown: unknown) => {
    await history.close();
    unlock();
    throw thrown;
  });
  const queue = createGroupQueue(writer.commit);
  const alone = oneAfterTheOther();
  const retention = createRetention({ thread: verification, standing: history.standing, writer, queue, clock, alone });
  const backups = createBackups({ directory, diskFreeBytesMin, head: writer.head, now: clock.now });
  const readers = [history.close, verification.close, backups.close];
  const closers = [unlock, writer.close, reader.close, ...readers, followers.close];
  const close = once(async () => {
    await queue.drain();
    // Where closing one part fails, the others are closed all the same.
    for (const end of closers.splice(0).reverse()) await (async () => end())().catch(options.failed);
  });

  try {
    const isShared = shared !== undefined;
    const verdict = await judge(reader, options.checkpoints, isShared);
    const kept = createHeadKeeper(options, verdict.kind === "trusted");
    keeper = kept;
    closers.push(kept.close);
    if (writer.head().epoch === "") await beginFirstEpoch(queue, options);
    // After a crash the newest head that is kept is an older one, and nothing may be recorded for long.
    else kept.committed(writer.head());
    const found = { steps: createStepReads(reader), credentials: createCredentialReads(reader) };
    const confirmed = onceAtATime(writer.confirm);
    return {
      ledger: {
        perform: queue.perform,
        head: writer.head,
        follow: followers.follow,
        followers: followers.followers,
        close,
      },
      ...(isShared ? lookedTwice(found, confirmed) : found),
      projections: createProjectionReads(reader),
      callApprovals: createCallApprovalReads(reader),
      registry: createRegistryReads(reader),
      policies: createPolicyReads(reader),
      tools: createToolReads(reader),
      feed: createFeedReads(reader),
      history,
      exports: history,
      tree: history,
      log: history,
      backups,
      retention,
      verdict,
      ...(replicas === undefined ? {} : { replicas }),
      ...(writer.cursorKey === undefined ? {} : { cursorKey: writer.cursorKey }),
      confirmed: isShared ? confirmed : async () => undefined,
      commits: () => commits,
      health: writer.health,
      disk: writer.disk,
      trustHead: () => kept.trust(writer.head()),
      async verifyAll(watch) {
        const finding = await alone(() => verification.verifyAll(watch));
        if (finding.kind === "damaged") return finding;
        const kept = await judge(reader, options.checkpoints, isShared);
        return kept.kind === "trusted" ? finding : { kind: "damaged", reason: kept.reason };
      },
      close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** A checkpoint that can't be read proves nothing, so it counts as a checkpoint that the ledger does not continue. */
async function judge(reader: Reader, checkpoints: CheckpointStore, isShared: boolean): Promise<Verdict> {
  let seen: readonly Head[];
  try {
    seen = await checkpoints.load();
  } catch (thrown) {
    if (!(thrown instanceof BrokerError) || thrown.code === "NOT_SERVING") throw thrown;
    return { kind: "rolled-back", reason: thrown.message };
  }
  const mark = reader.read((db) => db.get<BackupMark>(BACKUP_MARK.unaccepted));
  if (mark !== undefined) {
    const madeAt = new Date(mark.madeAt / 1_000).toISOString();
    return { kind: "rolled-back", reason: `the ledger went back in time: it is a backup of ${madeAt}, put back` };
  }
  const epoch = isShared ? reader.read((db) => db.get<HeadRow>(TREE.head))?.epoch : undefined;
  for (const acknowledged of seen) {
    // An operator accepted the ledger at another broker: epochs begin by that alone, and their ids are in the order of time.
    if (epoch !== undefined && epoch > acknowledged.epoch) continue;
    const finding = reader.read((db) => continues(db, acknowledged));
    if (finding.kind === "damaged") {
      return { kind: "rolled-back", reason: `the ledger went back in time: ${finding.reason}` };
    }
  }
  return { kind: "trusted" };
}

export async function beginFirstEpoch(
  queue: GroupQueue,
  { clock, randomness }: { readonly clock: Clock; readonly randomness: Randomness },
): Promise<void> {
  const now = clock.now();
  await queue.perform({
    act: "start-epoch",
    isFirst: true,
    epoch: newId("epoch", now, randomness.bytes(10)),
    reason: "first start",
    by: { kind: "broker", cause: "start" },
    now,
  });
}

/** Whoever asks while one answer is awaited is given the next, which all of them share. */
function onceAtATime(ask: () => Promise<void>): () => Promise<void> {
  let asking: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  return () => {
    next ??= asking.then(() => {
      next = undefined;
      const asked = ask();
      asking = asked.catch(() => undefined);
      return asked;
    });
    return next;
  };
}

/** The work is done once, however often the returned function is called; every call waits for that one run. */
function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => {
    running ??= work();
    return running;
  };
}
