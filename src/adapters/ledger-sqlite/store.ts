import { canonicalText } from "../../domain/canonical-json.ts";
import { BrokerError } from "../../domain/errors.ts";
import type { LedgerEvent } from "../../domain/ledger-event.ts";
import type { Ruling } from "../../ledger/rule.ts";
import { rulingOn } from "../../ledger/rules.ts";
import type { Head } from "../../ports/ledger.ts";
import type { LedgerAct, ResultOf } from "../../ports/ledger-acts.ts";
import type { Connection } from "./connection.ts";
import { appendEvent, headOf, readState, writeHead } from "./log.ts";
import { createSqlView } from "./sql-view.ts";
import { faultOf, sqliteCodeOf } from "./sqlite-fault.ts";
import { TREE } from "./tables/event-table.ts";

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
  /** Writes what is no act and changes nothing that follows from the log, in a transaction of its own. */
  aside<T>(work: (db: Connection) => T): T;
};

export function openStore(db: Connection): Store {
  const view = createSqlView(db);
  let committed = readState(db);
  let head = headOf(committed);
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

  function commitGroup(acts: readonly LedgerAct[], keepsApart: boolean): Commit {
    db.run("BEGIN IMMEDIATE");
    try {
      events = [];
      const stored = db.get<{ readonly treeSize: number }>(TREE.size)?.treeSize ?? 0;
      if (stored !== committed.range.size) throw new ForeignChange("the tree head is not the one that was left there");
      const outcomes = acts.map((act) => attempt(act, keepsApart));
      const next = state.range.size === committed.range.size ? head : writeHead(db, state);
      db.run("COMMIT");
      committed = state;
      head = next;
      return { outcomes, events };
    } catch (thrown) {
      state = committed;
      // Some errors end the transaction by themselves.
      if (db.inTransaction()) db.run("ROLLBACK");
      throw thrown;
    }
  }

  return {
    head: () => head,
    /**
     * Savepoints cost a tenth of an issuance, and almost no act fails after its ruling. So a group in which an act does
     * is done once more, with a savepoint for each act.
     */
    commit(acts) {
      try {
        return commitGroup(acts, false);
      } catch (thrown) {
        if (!(thrown instanceof HalfWritten)) throw thrown;
        return commitGroup(acts, true);
      }
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
