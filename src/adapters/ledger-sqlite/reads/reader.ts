import { BrokerError } from "../../../domain/errors.ts";
import type { Connection } from "../connection.ts";
import { sqliteCodeOf } from "../sqlite-fault.ts";

/** Reads on a connection of its own, which is opened at the first read, and anew at the first read after a failure. */
export type Reader = {
  /** @throws BrokerError LEDGER_UNAVAILABLE when the ledger can't be read */
  read<T>(work: (db: Connection) => T): T;
  close(): void;
};

export function createReader(open: () => Connection): Reader {
  let db: Connection | undefined;

  function close(): void {
    const closing = db;
    db = undefined;
    closing?.close();
  }

  return {
    read(work) {
      try {
        db ??= open();
        return work(db);
      } catch (thrown) {
        const code = sqliteCodeOf(thrown);
        if (code === undefined) throw thrown;
        close();
        const options = { detail: code, cause: thrown };
        throw new BrokerError("LEDGER_UNAVAILABLE", "the ledger can't be read", options);
      }
    },
    close,
  };
}

/** Runs several statements that all see the same commit. */
export function consistently<T>(db: Connection, work: () => T): T {
  db.run("BEGIN");
  try {
    return work();
  } finally {
    db.run("COMMIT");
  }
}
