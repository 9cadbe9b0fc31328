import { canonicalText } from "../../domain/canonical-json.ts";
import { BrokerError } from "../../domain/errors.ts";
import type { LedgerEvent } from "../../domain/ledger-event.ts";
import type { Ruling } from "../../ledger/rule.ts";
import { rulingOn } from "../../ledger/rules.ts";
import type { Head } from "../../ports/ledger.ts";
import type { LedgerAct, ResultOf } from "../../ports/ledger-acts.ts";
import type { Connection } from "./connection.ts";
import { appendEvent, headOf, readState, takeEvent, writeHead } from "./log.ts";
import { createSqlView } from "./sql-view.ts";
import { faultOf, sqliteCodeOf } from "./sqlite-fault.ts";
import { type StoredEvent, TREE } from "./tables/event-table.ts";

/** What became of one act: its result, which may be a refusal, or the error of an act that left no trace. */
export type Outcome =
  | { readonly kind: "done"; readonly result: ResultOf }
  | { readonly kind: "failed"; readonly error: BrokerError };

/** What became of a group of acts: its outcomes, act by act, and the canonical texts of the committed events. */
export type Commit = { readonly outcomes: readonly Outcome[]; readonly events: readonly string[] };

/** An act failed when a part of it was written already, in a group whose acts are not kept apart by savepoints. */
class HalfWritten extends Error {
  override readonly name = "HalfWritten";
}

/** Another program wrote to the database while this process held it. */
class ForeignChange extends Error {
  override readonly name = "ForeignChange";
}

/**
 * The ledger itself: synchronous, for one thread, and for the one process that holds the lock.
 *
 * `commit` does a group of acts in one transaction with one fsync. An act that fails leaves no trace and does not
 * disturb the other acts. When the group as a whole can't be committed, `commit` throws what SQLite threw, or
 * ForeignChange, and nothing of the group is recorded.
 */
export type Store = {
  head(): Head;
  commit(acts: readonly LedgerAct[]): Commit;
  /** The first half of `commit`: all but the transaction's end. Until `confirm` or `abandon`, nothing else may be called. */
  prepare(acts: readonly LedgerAct[]): Prepared;
  confirm(): void;
  abandon(): void;
  /**
   * Takes over events that another process has appended, in a transaction of its own.
   *
   * @param events - those that follow the head, none left out and none pruned.
   * @throws ProjectionMismatch when an event does not follow from those before it; what SQLite throws
   */
  takeOver(events: readonly StoredEvent[]): void;
  /** Writes what is no act and changes nothing that follows from the log, in a transaction of its own. */
  aside<T>(work: (db: Connection) => T): T;
};

/** A group that was done and is not committed yet. */
export type Prepared = Commit & { readonly head: Head };

export function openStore(db: Connection): Store {
  const view = createSqlView(db);
  let committed = readState(db);
  let head = headOf(committed);
  let prepared = head;
  let state = committed;
  let events: string[] = [];

  function append(event: LedgerEvent): void {
    const text = canonicalText(event);
    state = appendEvent(db, state, event, text);
    events.push(text);
  }

  function attempt(act: LedgerAct, keepsApart: boolean): Outcome {
    const before = { state, events: events.length };
    let ruling: Ruling<ResultOf> | undefined;
    if (keepsApart) db.run("SAVEPOINT act");
    try {
      ruling = rulingOn(act, state.epoch, view);
      const first = state.range.size + 1;
      for (const event of ruling.events) append(event);
      const result = ruling.answer(first);
      if (keepsApart) db.run("RELEASE act");
      return { kind: "done", result };
    } catch (thrown) {
      const fault = faultOf(thrown);
      if (fault !== undefined && fault !== "constraint") throw thrown;
      if (keepsApart) {
        db.run("ROLLBACK TO act");
        db.run("RELEASE act");
        state = before.state;
        events.length = before.events;
      } else if (ruling !== undefined && ruling.events.length > 0) {
        throw new HalfWritten();
      }
      return { kind: "failed", error: errorOfAct(thrown) };
    }
  }

  /** Begins a transaction and does the work in it; gives the head that is written there. */
  function begun<Result>(work: () => Result): { readonly result: Result; readonly head: Head } {
    db.run("BEGIN IMMEDIATE");
    try {
      events = [];
      const stored = db.get<{ readonly treeSize: number }>(TREE.size)?.treeSize ?? 0;
      if (stored !== committed.range.size) throw new ForeignChange("the tree head is not the one that was left there");
      const result = work();
      prepared = state.range.size === committed.range.size ? head : writeHead(db, state);
      return { result, head: prepared };
    } catch (thrown) {
      abandon();
      throw thrown;
    }
  }

  function confirm(): void {
    try {
      db.run("COMMIT");
    } catch (thrown) {
      abandon();
      throw thrown;
    }
    committed = state;
    head = prepared;
  }

  function abandon(): void {
    state = committed;
    // Some errors end the transaction by themselves.
    if (db.inTransaction()) db.run("ROLLBACK");
  }

  function prepareGroup(acts: readonly LedgerAct[], keepsApart: boolean): Prepared {
    const done = begun(() => acts.map((act) => attempt(act, keepsApart)));
    return { outcomes: done.result, events, head: done.head };
  }

  /**
   * Savepoints cost a tenth of an issuance, and almost no act fails after its ruling. So a group in which an act does
   * is done once more, with a savepoint for each act.
   */
  function prepare(acts: readonly LedgerAct[]): Prepared {
    try {
      return prepareGroup(acts, false);
    } catch (thrown) {
      if (!(thrown instanceof HalfWritten)) throw thrown;
      return prepareGroup(acts, true);
    }
  }

  return {
    head: () => head,
    commit(acts) {
      const { outcomes, events } = prepare(acts);
      confirm();
      return { outcomes, events };
    },
    prepare,
    confirm,
    abandon,
    takeOver(taken) {
      begun(() => {
        for (const { canonical } of taken) state = takeEvent(db, state, canonical);
      });
      confirm();
    },
    aside(work) {
      db.run("BEGIN IMMEDIATE");
      try {
        const done = work(db);
        db.run("COMMIT");
        return done;
      } catch (thrown) {
        if (db.inTransaction()) db.run("ROLLBACK");
        throw thrown;
      }
    },
  };
}

function errorOfAct(thrown: unknown): BrokerError {
  if (thrown instanceof BrokerError) return thrown;
  const detail = sqliteCodeOf(thrown) ?? String(thrown);
  return faultOf(thrown) === "constraint"
    ? new BrokerError("INVALID_FIELD", "an id in it is not new, or names nothing that is recorded", { detail })
    : new BrokerError("LEDGER_UNAVAILABLE", "the act could not be recorded", { detail });
}
