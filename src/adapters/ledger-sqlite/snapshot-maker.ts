import type { Connection } from "./connection.ts";
import type { Driver } from "./driver.ts";
import { readState } from "./log.ts";
import type { Reader } from "./reads/reader.ts";
import { newestSnapshot } from "./snapshot.ts";
import { chunksOf } from "./snapshot-chunks.ts";
import { sizeOf } from "./tables/event-table.ts";
import { verifyInto } from "./verify-all.ts";

/** So many chunks are written in a few milliseconds. */
const CHUNKS_PER_TURN = 4;

export type SnapshotBegun =
  | { readonly kind: "begun"; readonly through: number; readonly schema: number }
  /** There is one already, and nothing was recorded since. */
  | { readonly kind: "as-new" }
  | { readonly kind: "damaged"; readonly reason: string };

/** Makes one snapshot at a time, of what follows from the events and not of what the tables say. */
export type SnapshotMaker = {
  /** Verifies the whole ledger. */
  beginSnapshot(): Promise<SnapshotBegun>;
  /** The next few chunks; none when there are no more. */
  nextChunks(): Promise<readonly Uint8Array[]>;
};

export function createSnapshotMaker(driver: Driver, { read, close }: Reader): SnapshotMaker {
  let making: { readonly tables: Connection; readonly chunks: Generator<Uint8Array> } | undefined;

  function end(): void {
    making?.chunks.return(undefined);
    making?.tables.close();
    making = undefined;
  }

  return {
    async beginSnapshot() {
      end();
      // As a verification does: what is on the disk is seen by a new connection alone.
      close();
      return read((db) => {
        if (newestSnapshot(db)?.sequence === sizeOf(db)) return { kind: "as-new" };
        const { finding, tables } = verifyInto(driver, db);
        if (tables === undefined) return { kind: "damaged", reason: finding.reason };
        making = { tables, chunks: chunksOf(tables) };
        const schema = tables.get<{ readonly number: number }>("SELECT max(number) AS number FROM schema_migration");
        return { kind: "begun", through: readState(tables).range.size, schema: schema?.number ?? 0 };
      });
    },
    async nextChunks() {
      const next: Uint8Array[] = [];
      while (making !== undefined && next.length < CHUNKS_PER_TURN) {
        const { value, done } = making.chunks.next();
        if (done === true) end();
        else next.push(value);
      }
      return next;
    },
  };
}
