import { join } from "node:path";
import { BrokerError } from "../../domain/errors.ts";
import { newId } from "../../domain/ids.ts";
import type { CheckpointStore } from "../../ports/checkpoint-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Head, Ledger } from "../../ports/ledger.ts";
import type { CredentialReads, FeedReads, HistoryReads, RegistryReads, StepReads } from "../../ports/ledger-reads.ts";
import type { Randomness } from "../../ports/randomness.ts";
import { openReader } from "./connection.ts";
import { type Driver, loadDriver } from "./driver.ts";
import { DATABASE_FILE } from "./durable-store.ts";
import { createGroupQueue, type GroupQueue } from "./group-queue.ts";
import { createHeadKeeper } from "./head-keeper.ts";
import { createHeadListeners } from "./head-listeners.ts";
import type { LedgerHealth } from "./health.ts";
import { createHistoryThread } from "./history-thread.ts";
import { lockDirectory } from "./lock.ts";
import { createCredentialReads } from "./reads/credential-reads.ts";
import { createFeedReads } from "./reads/feed-reads.ts";
import { createReader, type Reader } from "./reads/reader.ts";
import { createRegistryReads } from "./reads/registry-reads.ts";
import { createStepReads } from "./reads/step-reads.ts";
import { decodeError, encodeError } from "./thread-messages.ts";
import { continues, type Finding } from "./verify-log.ts";
import { startWriter } from "./writer-thread.ts";

/** Whether the ledger continues what was acknowledged before this start; if not, nothing may be issued on it. */
export type Verdict =
  | { readonly kind: "trusted" }
  /** `reason` is for the operator. */
  | { readonly kind: "rolled-back"; readonly reason: string };

export type OpenedLedger = {
  readonly ledger: Ledger;
  readonly steps: StepReads;
  readonly registry: RegistryReads;
  readonly feed: FeedReads;
  readonly credentials: CredentialReads;
  readonly history: HistoryReads;
  readonly verdict: Verdict;
  health(): LedgerHealth;
  /** After an operator accepted the ledger as it is: from here on its head is the one to continue from. */
  trustHead(): Promise<void>;
  /** Verifies every event and every table. Takes about as long as writing it all once more. */
  verifyAll(): Promise<Finding>;
  close(): Promise<void>;
};

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
  const listeners = createHeadListeners();
  const data = { directory, reserveBytes, diskFreeBytesMin, now: clock.now() };
  const writer = await startWriter(data, listeners.tell).catch((thrown: unknown) => {
    unlock();
    throw thrown;
  });
  const queue = createGroupQueue(writer.commit);
  const reader = createReader(() => openReader(driver, join(directory, DATABASE_FILE)));
  const history = createHistoryThread({ directory });
  const closers = [unlock, writer.close, reader.close, history.close];
  const close = once(async () => {
    await queue.drain();
    for (const end of closers.splice(0).reverse()) await end();
  });

  try {
    const verdict = await judge(reader, options.checkpoints);
    const keeper = createHeadKeeper(options, verdict.kind === "trusted");
    closers.push(keeper.close);
    listeners.onCommit(keeper.committed);
    if (writer.head().epoch === "") await beginFirstEpoch(queue, options);
    return {
      ledger: { perform: queue.perform, head: writer.head, onCommit: listeners.onCommit, close },
      steps: createStepReads(reader),
      registry: createRegistryReads(reader),
      feed: createFeedReads(reader),
      credentials: createCredentialReads(reader),
      history,
      verdict,
      health: writer.health,
      trustHead: () => keeper.trust(writer.head()),
      verifyAll: history.verifyAll,
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
