import { BrokerError } from "../../../domain/errors.ts";
import { rootOf } from "../../../domain/merkle-tree.ts";
import type { SnapshotTaken } from "../../../domain/retention-event.ts";
import type { LogPage, LogReads } from "../../../ports/log-reads.ts";
import type { Connection } from "../connection.ts";
import { newestSnapshot } from "../snapshot.ts";
import { EPOCH, EVENT, eventOf, isPruned, type StoredEvent, sizeOf } from "../tables/event-table.ts";
import { SNAPSHOT, type SnapshotChunkRow } from "../tables/retention-table.ts";
import { rangeAt } from "../verify-log.ts";
import { consistently, type Reader } from "./reader.ts";
import { missing, pruned } from "./tree-reads.ts";

/** A page is held in memory twice, and a message of it by gRPC. */
const PAGE_BYTES = 1024 * 1024;
const SCHEMA = "SELECT max(number) AS number FROM schema_migration";

export function createLogReads({ read }: Reader): LogReads {
  return {
    logPage: async (after, limit) => read((db) => consistently(db, () => pageOf(db, after, limit))),
    snapshotChunks: async (through, from) =>
      read((db) =>
        db.all<SnapshotChunkRow>(SNAPSHOT.chunks, { through, from }).map(({ content }) => new Uint8Array(content)),
      ),
  };
}

function pageOf(db: Connection, after: number, limit: number): LogPage {
  const newest = sizeOf(db);
  const events: Uint8Array[] = [];
  let bytes = 0;
  let snapshotThrough: number | undefined;
  for (const event of limit === 0 ? [] : db.iterate<StoredEvent>(EVENT.after, { after, limit })) {
    if (isPruned(event.canonical)) throw pruned(event);
    // Copied, so that the bytes outlive the statement and can be handed to another thread.
    events.push(new Uint8Array(event.canonical));
    bytes += event.canonical.length;
    if (event.type === "snapshot.taken") snapshotThrough = (eventOf(event.canonical) as SnapshotTaken).through;
    if (bytes >= PAGE_BYTES || snapshotThrough !== undefined) break;
  }
  // Of a snapshot that another one has followed nothing but its event is left.
  if (snapshotThrough !== undefined && newestSnapshot(db)?.through !== snapshotThrough) {
    throw new BrokerError("PRUNED", `the snapshot of event ${snapshotThrough} was deleted when the next was taken`);
  }
  const sequence = Math.min(after, newest) + events.length;
  const range = rangeAt(db, sequence);
  if (range === undefined) throw missing();
  const epoch = db.get<{ readonly epoch: string }>(EPOCH.at, { sequence })?.epoch ?? "";
  const schema = db.get<{ readonly number: number }>(SCHEMA)?.number ?? 0;
  return {
    ...{ events, newest, schema },
    head: { epoch, sequence, rootHash: new Uint8Array(rootOf(range)) },
    ...(snapshotThrough === undefined ? {} : { snapshotThrough }),
  };
}
