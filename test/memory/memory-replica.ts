import { join } from "node:path";
import { DATABASE_FILE, openReader } from "../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../src/adapters/ledger-sqlite/driver.ts";
import { createGroupQueue } from "../../src/adapters/ledger-sqlite/group-queue.ts";
import { createKnownReplicas } from "../../src/adapters/ledger-sqlite/known-replicas.ts";
import { beginFirstEpoch } from "../../src/adapters/ledger-sqlite/ledger-sqlite.ts";
import { oneAfterTheOther } from "../../src/adapters/ledger-sqlite/one-after-the-other.ts";
import { createEventReads } from "../../src/adapters/ledger-sqlite/reads/event-reads.ts";
import { lookedTwice } from "../../src/adapters/ledger-sqlite/reads/looked-twice.ts";
import { createReader } from "../../src/adapters/ledger-sqlite/reads/reader.ts";
import { createRetentionReads } from "../../src/adapters/ledger-sqlite/reads/retention-reads.ts";
import { tableDigests } from "../../src/adapters/ledger-sqlite/rebuild.ts";
import { createRetention } from "../../src/adapters/ledger-sqlite/retention.ts";
import { openSharedStore } from "../../src/adapters/ledger-sqlite/shared-store.ts";
import { createSnapshotMaker } from "../../src/adapters/ledger-sqlite/snapshot-maker.ts";
import { decodeError, encodeError } from "../../src/adapters/ledger-sqlite/thread-messages.ts";
import { verifyAll } from "../../src/adapters/ledger-sqlite/verify-all.ts";
import { createFollowers } from "../../src/ledger/followers.ts";
import { signCommitted } from "../../src/ledger/sign-committed.ts";
import type { Cancel, Clock } from "../../src/ports/clock.ts";
import type { CommitSigner } from "../../src/ports/commit-signer.ts";
import type { Head, OpenedLedger } from "../../src/ports/ledger.ts";
import type { Randomness } from "../../src/ports/randomness.ts";
import type { SharedLog } from "../../src/ports/shared-log.ts";
import { readsBy } from "./ledger-reads.ts";
import { handedOver } from "./memory-ledger.ts";

/** As the writing thread looks. */
const PROBE_MS = 500;

/** A replica's ledger. */
export type MemoryReplica = OpenedLedger & {
  /** Of each table, a digest of its rows. */
  tables(): ReadonlyMap<string, string>;
  /** Ends it as a process ends; what it has asked of the log is not to be answered any more. */
  kill(): Promise<void>;
};

/**
 * The store of a replica over a shared log, without threads: its tables lie in a directory, and outlive it there.
 *
 * @param options.committed - told of the head after each commit of its own, and of others.
 */
export async function openMemoryReplica(options: {
  readonly directory: string;
  readonly name: string;
  readonly log: SharedLog;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly signer?: CommitSigner;
  readonly failed: (error: unknown) => void;
  readonly committed: (head: Head) => void;
}): Promise<MemoryReplica> {
  const { directory, clock, signer, failed } = options;
  const driver = await loadDriver();
  const reader = createReader(() => openReader(driver, join(directory, DATABASE_FILE)));
  const alone = oneAfterTheOther();
  const replicas = createKnownReplicas(options.name, (report) => store.report(report));
  let head: Head | undefined;
  let commits = 0;

  function told(reached: Head, events: readonly string[]): void {
    head = reached;
    commits += 1;
    options.committed(reached);
    followers.committed(handedOver(events, reached.sequence));
  }

  const store = await openSharedStore(
    driver,
    { directory, reserveBytes: 0, diskFreeBytesMin: 0, now: clock.now() },
    options.log,
    // Whoever opens the ledger is told its head once it is open.
    {
      upgrading: () => undefined,
      followed: (reached, events) => head !== undefined && told(reached, events),
      looked: replicas.told,
    },
    {
      alone,
      mover: { isMoving: () => false, begin: () => undefined },
      wallMs: () => clock.now() / 1_000 + clock.skewSeconds() * 1_000,
      monotonicMs: clock.monotonicMs,
    },
  );
  head = store.head();
  const followers = createFollowers({
    head: () => (head ?? store.head()).sequence,
    read: createEventReads(reader),
    clock,
    failed,
  });
  const queue = createGroupQueue((acts) =>
    alone(async () => {
      const { outcomes, events } = await store.run(acts);
      if (events.length > 0) told(store.head(), events);
      return signer === undefined ? outcomes : signCommitted(acts, outcomes, signer);
    }),
  );
  replicas.told(store.replicas);
  let cancel: Cancel = () => undefined;
  const probe = async (): Promise<void> => {
    await store.probe();
    cancel = clock.schedule(PROBE_MS, () => void probe());
  };
  cancel = clock.schedule(PROBE_MS, () => void probe());

  const retentionReads = createRetentionReads(reader);
  const inTurn = oneAfterTheOther();
  const retention = createRetention({
    thread: { ...createSnapshotMaker(driver, reader), due: retentionReads.due },
    standing: retentionReads.standing,
    writer: { keepChunks: (order) => alone(() => store.keepChunks(order)) },
    ...{ queue, clock, alone: inTurn },
  });
  if (store.head().epoch === "") await beginFirstEpoch(queue, options);

  const reads = readsBy(reader);
  // As it comes out of the writing thread.
  const confirmed = () =>
    alone(store.follow).catch((thrown: unknown) => Promise.reject(decodeError(encodeError(thrown))));

  async function kill(): Promise<void> {
    cancel();
    followers.close();
    reader.close();
    await store.close();
  }

  async function close(): Promise<void> {
    await queue.drain();
    await kill();
  }

  return {
    ledger: {
      perform: queue.perform,
      head: () => head ?? store.head(),
      follow: followers.follow,
      followers: followers.followers,
      close,
    },
    ...reads,
    ...lookedTwice(reads, confirmed),
    retention,
    replicas,
    cursorKey: store.cursorKey,
    verdict: { kind: "trusted" },
    confirmed,
    commits: () => commits,
    health: store.health,
    disk: () => undefined,
    trustHead: async () => undefined,
    verifyAll: () => inTurn(async () => reader.read((connection) => verifyAll(driver, connection))),
    tables: () => reader.read(tableDigests),
    kill,
    close,
  };
}
