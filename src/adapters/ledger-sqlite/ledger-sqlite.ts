import { join } from "node:path";
import { BrokerError } from "../../domain/errors.ts";
import { newId } from "../../domain/ids.ts";
import { createFollowers } from "../../ledger/followers.ts";
import type { CheckpointStore } from "../../ports/checkpoint-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Head, OpenedLedger, Verdict } from "../../ports/ledger.ts";
import type { Randomness } from "../../ports/randomness.ts";
import { openReader } from "./connection.ts";
import { type Driver, loadDriver } from "./driver.ts";
import { DATABASE_FILE } from "./durable-store.ts";
import { createGroupQueue, type GroupQueue } from "./group-queue.ts";
import { createHeadKeeper, type HeadKeeper } from "./head-keeper.ts";
import { createHistoryThread } from "./history-thread.ts";
import { lockDirectory } from "./lock.ts";
import type { UpgradeProgress } from "./migrate.ts";
import { createCredentialReads } from "./reads/credential-reads.ts";
import { createEventReads } from "./reads/event-reads.ts";
import { createFeedReads } from "./reads/feed-reads.ts";
import { createProjectionReads } from "./reads/projection-reads.ts";
import { createReader, type Reader } from "./reads/reader.ts";
import { createRegistryReads } from "./reads/registry-reads.ts";
import { createStepReads } from "./reads/step-reads.ts";
import { decodeError, encodeError } from "./thread-messages.ts";
import { continues } from "./verify-log.ts";
import { startWriter } from "./writer-thread.ts";

export type SqliteLedgerOptions = {
  /** Exists, and is the broker's alone. */
  readonly directory: string;
  readonly checkpoints: CheckpointStore;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Room kept for closing and revoking on a full disk. */
  readonly reserveBytes: number;
  /** Below this nothing is opened or issued. */
  readonly diskFreeBytesMin: number;
  /** Told of what fails in the background. */
  readonly failed: (error: unknown) => void;
  /** Told, before anything else is possible, how far an upgrade of an older ledger has come. */
  readonly upgrading?: (progress: UpgradeProgress) => void;
};

/**
 * Opens the ledger in a directory: alone on it, its schema up to date, verified, and compared with the head that was
 * acknowledged last. A new ledger begins its first epoch.
 *
 * @throws BrokerError NOT_SERVING when another process has it or its schema is not this program's; LEDGER_UNAVAILABLE when
 *   it is damaged or can't be written
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
  const { directory, reserveBytes, diskFreeBytesMin, clock } = options;
  const data = { directory, reserveBytes, diskFreeBytesMin, now: clock.now() };
  const reader = createReader(() => openReader(driver, join(directory, DATABASE_FILE)));
  let keeper: HeadKeeper | undefined;
  const followers = createFollowers({
    head: () => writer.head().sequence,
    read: createEventReads(reader),
    clock,
    failed: options.failed,
  });
  const writer = await startWriter(data, {
    committed(head, events) {
      keeper?.committed(head);
      followers.committed(events);
    },
    upgrading: options.upgrading ?? (() => undefined),
  }).catch((thrown: unknown) => {
    unlock();
    throw thrown;
  });
  const queue = createGroupQueue(writer.commit);
  // A verification takes minutes on a large ledger, and nobody's question is to wait for that.
  const [history, verification] = [createHistoryThread({ directory }), createHistoryThread({ directory })];
  const closers = [unlock, writer.close, reader.close, history.close, verification.close, followers.close];
  const close = once(async () => {
    await queue.drain();
    // What one fails with keeps no other from being ended.
    for (const end of closers.splice(0).reverse()) await (async () => end())().catch(options.failed);
  });

  try {
    const verdict = await judge(reader, options.checkpoints);
    const kept = createHeadKeeper(options, verdict.kind === "trusted");
    keeper = kept;
    closers.push(kept.close);
    if (writer.head().epoch === "") await beginFirstEpoch(queue, options);
    return {
      ledger: {
        perform: queue.perform,
        head: writer.head,
        follow: followers.follow,
        followers: followers.followers,
        close,
      },
      projections: createProjectionReads(reader),
      steps: createStepReads(reader),
      registry: createRegistryReads(reader),
      feed: createFeedReads(reader),
      credentials: createCredentialReads(reader),
      history,
      verdict,
      health: writer.health,
      trustHead: () => kept.trust(writer.head()),
      verifyAll: verification.verifyAll,
      close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** A checkpoint that can't be read is no proof of anything, so it counts as one that the ledger does not meet. */
async function judge(reader: Reader, checkpoints: CheckpointStore): Promise<Verdict> {
  let seen: Head | undefined;
  try {
    seen = await checkpoints.load();
  } catch (thrown) {
    if (!(thrown instanceof BrokerError)) throw thrown;
    return { kind: "rolled-back", reason: thrown.message };
  }
  if (seen === undefined) return { kind: "trusted" };
  const acknowledged = seen;
  const finding = reader.read((db) => continues(db, acknowledged));
  return finding.kind === "intact"
    ? { kind: "trusted" }
    : { kind: "rolled-back", reason: `the ledger went back in time: ${finding.reason}` };
}

export async function beginFirstEpoch(
  queue: GroupQueue,
  { clock, randomness }: { readonly clock: Clock; readonly randomness: Randomness },
): Promise<void> {
  const now = clock.now();
  await queue.perform({
    act: "start-epoch",
    epoch: newId("epoch", now, randomness.bytes(10)),
    reason: "first start",
    by: { kind: "broker", cause: "start" },
    now,
  });
}

/** However often it is called, it is done once, and all wait for that. */
function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => {
    running ??= work();
    return running;
  };
}
