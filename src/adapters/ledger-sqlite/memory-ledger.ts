import { BrokerError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Randomness } from "../../ports/randomness.ts";
import { openWriter } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { createGroupQueue } from "./group-queue.ts";
import { createHeadListeners } from "./head-listeners.ts";
import { HEALTHY } from "./health.ts";
import { beginFirstEpoch, type OpenedLedger } from "./ledger-sqlite.ts";
import { mayDeny } from "./may-deny.ts";
import { migrate, readMigrations } from "./migrate.ts";
import { createCredentialReads } from "./reads/credential-reads.ts";
import { createFeedReads } from "./reads/feed-reads.ts";
import { createHistoryReads } from "./reads/history-reads.ts";
import { createReader } from "./reads/reader.ts";
import { createRegistryReads } from "./reads/registry-reads.ts";
import { createStepReads } from "./reads/step-reads.ts";
import { sqliteCodeOf } from "./sqlite-fault.ts";
import { openStore } from "./store.ts";
import { verifyAll } from "./verify-all.ts";

/**
 * The same store in memory and without threads, for tests and simulations: every act is done in the order in which it was
 * asked for, and nothing outlives `close`.
 */
export async function openMemoryLedger(options: {
  readonly clock: Clock;
  readonly randomness: Randomness;
}): Promise<OpenedLedger> {
  const driver = await loadDriver();
  const db = openWriter(driver, ":memory:");
  migrate(db, readMigrations(), options.clock.now());
  const store = openStore(db);
  const listeners = createHeadListeners();
  const queue = createGroupQueue(async (acts) => {
    const before = store.head();
    try {
      const outcomes = store.commit(acts);
      if (store.head() !== before) listeners.tell(store.head(), mayDeny(acts));
      return outcomes;
    } catch (thrown) {
      throw new BrokerError("LEDGER_UNAVAILABLE", "the ledger can't be written", {
        detail: sqliteCodeOf(thrown) ?? "",
      });
    }
  });
  await beginFirstEpoch(queue, options);

  // The one connection there is: a failed read must not end it.
  const reader = createReader(() => ({ ...db, close: () => undefined }));
  const close = async (): Promise<void> => {
    await queue.drain();
    db.close();
  };
  return {
    ledger: { perform: queue.perform, head: store.head, onCommit: listeners.onCommit, close },
    steps: createStepReads(reader),
    registry: createRegistryReads(reader),
    feed: createFeedReads(reader),
    credentials: createCredentialReads(reader),
    history: createHistoryReads(reader),
    verdict: { kind: "trusted" },
    health: () => HEALTHY,
    trustHead: async () => undefined,
    verifyAll: async () => reader.read((connection) => verifyAll(driver, connection)),
    close,
  };
}
