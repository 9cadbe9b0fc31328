import type { ReplicaReport } from "../domain/replica-report.ts";
import type { UnixMicros } from "../domain/time.ts";
import type { Head } from "./ledger.ts";
import type { EventRow } from "./ledger-reads.ts";
import type { Replica } from "./replicas.ts";

/**
 * One log that several brokers append to, kept by a database that all of them reach. Its rows are what was recorded; every broker
 * keeps the tables that follow from it for itself.
 */
export type SharedLog = {
  /**
   * Waits until nobody else appends, and keeps everybody else waiting until the turn ends. One turn at a time.
   *
   * @throws BrokerError LEDGER_UNAVAILABLE when the database can't be reached, or somebody holds it for too long
   */
  take(): Promise<LogTurn>;
  /**
   * Events after a sequence as they are now, in order and without a gap, at most `limit`. Empty canonical bytes: pruned.
   *
   * @throws BrokerError LEDGER_UNAVAILABLE when the database can't be reached
   */
  read(after: number, limit: number): Promise<readonly EventRow[]>;
  /** The event of the newest snapshot; `undefined`: there is none. Throws as `read` does. */
  newestSnapshot(): Promise<EventRow | undefined>;
  readonly chunks: SnapshotChunks;
  /** The key of cursors, 32 bytes: the same at every broker that shares the log. */
  readonly cursorKey: Uint8Array;
  /**
   * Renews the lease of this broker, which lapses by itself, by the database's clock.
   *
   * @param report - what this broker says of itself; the others are told where it is another than before.
   * @throws BrokerError NOT_SERVING when another broker has the name of this one; LEDGER_UNAVAILABLE
   */
  beat(report: ReplicaReport): Promise<Beat>;
  /** All brokers that share the log, without renewing anything. Throws as `read` does. */
  replicas(): Promise<readonly Replica[]>;
  /** Called when somebody has appended, or may have. */
  onAppended(listener: () => void): void;
  /** Called when another broker has said something of itself, or may have. */
  onReported(listener: () => void): void;
  close(): Promise<void>;
};

/** What is found as a lease is renewed. */
export type Beat = {
  /** All brokers that share the log. */
  readonly replicas: readonly Replica[];
  /** The database's clock. */
  readonly at: UnixMicros;
};

/** A turn in which nobody else appends. */
export type LogTurn = {
  readonly head: Head;
  /** The database's clock, read once the turn had begun. */
  readonly at: UnixMicros;
  /** As `SharedLog.read`. */
  read(after: number, limit: number): Promise<readonly EventRow[]>;
  /**
   * Appends events that follow the head, all or none, and ends the turn. Where the connection breaks off as this is written, it is
   * looked for in the log by another connection.
   *
   * @returns `unknown` where nobody could look in time: the events may be in the log.
   * @throws BrokerError LEDGER_UNAVAILABLE when they definitely are not
   */
  append(group: AppendedGroup): Promise<"appended" | "unknown">;
  /** Ends a turn in which nothing is appended. */
  release(): Promise<void>;
};

/** What is appended at once. */
export type AppendedGroup = {
  readonly events: readonly EventRow[];
  /** The head with these events. */
  readonly head: Head;
  /** First and last sequences of events whose content goes at the same moment. */
  readonly pruned: readonly (readonly [first: number, last: number])[];
};

/** Parts of snapshots of all tables, by the sequence through which the events are in a snapshot. */
export type SnapshotChunks = {
  put(through: number, first: number, chunks: readonly Uint8Array[]): Promise<void>;
  read(through: number, from: number): Promise<readonly Uint8Array[]>;
  /**
   * Forgets some chunks of every snapshot but two.
   *
   * @returns how many.
   */
  forget(but: readonly number[]): Promise<number>;
};
