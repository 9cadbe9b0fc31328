import { type CompactRange, EMPTY_RANGE } from "../../domain/merkle-tree.ts";
import type { UnixMicros } from "../../domain/time.ts";
import { type Connection, openScratch } from "./connection.ts";
import type { Driver } from "./driver.ts";
import { migrate, readMigrations } from "./migrate.ts";
import { chunksRoot, putChunk, snapshotDamaged, withChunk } from "./snapshot-chunks.ts";
import { SNAPSHOT, type SnapshotChunkRow, type SnapshotRow } from "./tables/retention-table.ts";

export function newestSnapshot(db: Connection): SnapshotRow | undefined {
  return db.get<SnapshotRow>(SNAPSHOT.newest);
}

/**
 * Opens a database of this program's schema that is gone when it is closed, with the tables as the ledger's newest snapshot has them;
 * empty tables where there is no snapshot.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE when the chunks are not those that the snapshot names
 */
export function openRestored(driver: Driver, ledger: Connection): Connection {
  const scratch = openScratch(driver);
  try {
    const snapshot = newestSnapshot(ledger);
    const migrations = readMigrations();
    migrate(scratch, migrations.slice(0, snapshot?.schema ?? migrations.length), 0 as UnixMicros);
    if (snapshot !== undefined) {
      restore(ledger, scratch, snapshot);
      migrate(scratch, migrations, 0 as UnixMicros);
    }
    return scratch;
  } catch (thrown) {
    scratch.close();
    throw thrown;
  }
}

/** Whether all parts of a snapshot are there, as its event names them. */
export function hasChunks(
  ledger: Connection,
  { through, chunks, rootHash }: Pick<SnapshotRow, "through" | "chunks" | "rootHash">,
): boolean {
  let range: CompactRange = EMPTY_RANGE;
  for (const content of chunksIn(ledger, through)) range = withChunk(range, content);
  return range.size === chunks && chunksRoot(range) === rootHash;
}

/** @throws BrokerError LEDGER_UNAVAILABLE where one is left out */
function* chunksIn(ledger: Connection, through: number): Generator<Uint8Array> {
  for (let from = 0; ; ) {
    const page = ledger.all<SnapshotChunkRow>(SNAPSHOT.chunks, { through, from });
    if (page.length === 0) return;
    if (page[0]?.index !== from) throw snapshotDamaged();
    for (const { content } of page) yield content;
    from += page.length;
  }
}

function restore(ledger: Connection, scratch: Connection, snapshot: SnapshotRow): void {
  let range: CompactRange = EMPTY_RANGE;
  scratch.exec("BEGIN");
  scratch.pragma("defer_foreign_keys = ON");
  for (const content of chunksIn(ledger, snapshot.through)) {
    range = withChunk(range, content);
    putChunk(scratch, content);
  }
  if (range.size !== snapshot.chunks || chunksRoot(range) !== snapshot.rootHash) throw snapshotDamaged();
  scratch.exec("COMMIT");
}

/** What the writing thread does with chunks, a few at a time so that no act waits for long. */
export type ChunkOrder =
  | { readonly kind: "keep"; readonly through: number; readonly first: number; readonly chunks: readonly Uint8Array[] }
  /** Forgets some of the chunks of any snapshot that is neither recorded nor being made. */
  | { readonly kind: "forget"; readonly made: number };

/** @returns how many chunks were written or forgotten. */
export function writeChunks(db: Connection, order: ChunkOrder): number {
  if (order.kind === "forget") {
    const recorded = newestSnapshot(db)?.through ?? 0;
    return db.run(SNAPSHOT.forgetChunks, { recorded, made: order.made });
  }
  const { through, first, chunks } = order;
  for (const [position, content] of chunks.entries()) {
    db.run(SNAPSHOT.putChunk, { through, index: first + position, content: Buffer.from(content) });
  }
  return chunks.length;
}
