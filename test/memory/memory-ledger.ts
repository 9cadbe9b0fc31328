import { openWriter } from "../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../src/adapters/ledger-sqlite/driver.ts";
import { HEALTHY } from "../../src/adapters/ledger-sqlite/durable-store.ts";
import { createGroupQueue } from "../../src/adapters/ledger-sqlite/group-queue.ts";
import { beginFirstEpoch } from "../../src/adapters/ledger-sqlite/ledger-sqlite.ts";
import { migrate, readMigrations } from "../../src/adapters/ledger-sqlite/migrate.ts";
import { oneAfterTheOther } from "../../src/adapters/ledger-sqlite/one-after-the-other.ts";
import { createEventReads } from "../../src/adapters/ledger-sqlite/reads/event-reads.ts";
import { createReader } from "../../src/adapters/ledger-sqlite/reads/reader.ts";
import { createRetentionReads } from "../../src/adapters/ledger-sqlite/reads/retention-reads.ts";
import { createRetention } from "../../src/adapters/ledger-sqlite/retention.ts";
import { writeChunks } from "../../src/adapters/ledger-sqlite/snapshot.ts";
import { createSnapshotMaker } from "../../src/adapters/ledger-sqlite/snapshot-maker.ts";
import { sqliteCodeOf } from "../../src/adapters/ledger-sqlite/sqlite-fault.ts";
import { openStore } from "../../src/adapters/ledger-sqlite/store.ts";
import { HANDED_OVER_MAX, numbered } from "../../src/adapters/ledger-sqlite/thread-messages.ts";
import { verifyAll } from "../../src/adapters/ledger-sqlite/verify-all.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import type { LedgerEvent } from "../../src/domain/ledger-event.ts";
import { createFollowers } from "../../src/ledger/followers.ts";
import { signCommitted } from "../../src/ledger/sign-committed.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { CommitSigner } from "../../src/ports/commit-signer.ts";
import type { Head, OpenedLedger } from "../../src/ports/ledger.ts";
import type { Randomness } from "../../src/ports/randomness.ts";
import { readsBy } from "./ledger-reads.ts";

/**
 * The same store in memory and without threads, for tests and simulations: every act is done in the order in which it was
 * asked for, and nothing outlives `close`.
 *
 * @param options.signer - signs what is recorded, as the writing thread does; absent: whoever recorded has it signed.
 * @param options.committed - told of the head after each commit.
 * @param options.failed - told of what a follower throws; a test that does not say where is to fail with it.
 */
export async function openMemoryLedger(options: {
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly signer?: CommitSigner;
  readonly failed?: (error: unknown) => void;
  readonly committed?: (head: Head) => void;
}): Promise<OpenedLedger> {
  const driver = await loadDriver();
  const db = openWriter(driver, ":memory:");
  migrate(db, readMigrations(), options.clock.now());
  const store = openStore(db);
  // The one connection there is: a failed read must not end it.
  const reader = createReader(() => ({ ...db, close: () => undefined }));
  const followers = createFollowers({
    head: () => store.head().sequence,
    read: createEventReads(reader),
    clock: options.clock,
    failed: options.failed ?? fail,
  });
  let commits = 0;
  const queue = createGroupQueue(async (acts) => {
    try {
      const { outcomes, events } = store.commit(acts);
      if (events.length > 0) {
        commits += 1;
        options.committed?.(store.head());
        followers.committed(handedOver(events, store.head().sequence));
      }
      return options.signer === undefined ? outcomes : signCommitted(acts, outcomes, options.signer);
    } catch (thrown) {
      throw new BrokerError("LEDGER_UNAVAILABLE", "the ledger can't be written", {
        detail: sqliteCodeOf(thrown) ?? "",
      });
    }
  });
  const retentionReads = createRetentionReads(reader);
  const alone = oneAfterTheOther();
  const retention = createRetention({
    thread: { ...createSnapshotMaker(driver, reader), due: retentionReads.due },
    standing: retentionReads.standing,
    writer: { keepChunks: async (order) => store.aside((connection) => writeChunks(connection, order)) },
    queue,
    clock: options.clock,
    alone,
  });
  await beginFirstEpoch(queue, options);

  const close = async (): Promise<void> => {
    await queue.drain();
    followers.close();
    db.close();
  };
  return {
    ledger: {
      perform: queue.perform,
      head: store.head,
      follow: followers.follow,
      followers: followers.followers,
      close,
    },
    ...readsBy(reader),
    retention,
    verdict: { kind: "trusted" },
    confirmed: async () => undefined,
    commits: () => commits,
    health: () => HEALTHY,
    disk: () => undefined,
    trustHead: async () => undefined,
    verifyAll: () => alone(async () => reader.read((connection) => verifyAll(driver, connection))),
    close,
  };
}

/** As the writing thread hands them over: parsed from what was hashed. */
export function handedOver(events: readonly string[], newest: number) {
  if (events.length > HANDED_OVER_MAX) return undefined;
  return numbered(
    events.map((text) => JSON.parse(text) as LedgerEvent),
    newest,
  );
}

function fail(error: unknown): never {
  throw error;
}
