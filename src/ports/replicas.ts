import type { ProcessIdentity } from "../domain/process.ts";
import type { ReplicaReport } from "../domain/replica-report.ts";
import type { Cancel } from "./clock.ts";

/** Where the processes are that one broker sees: the boot of a machine, and a PID namespace of it. */
export type Machine = Pick<ProcessIdentity, "bootId" | "pidNamespace">;

/** A broker among those that share a ledger. */
export type Replica = {
  readonly name: string;
  readonly machine: Machine;
  /** Whether its lease stands, by the ledger's clock. A lease is renewed for as long as the broker reaches the ledger. */
  readonly isAlive: boolean;
  /** What it last said of itself. */
  readonly report: ReplicaReport;
};

/** The brokers that share a ledger, as of a few seconds ago. */
export type Replicas = {
  /** The name of this one. */
  readonly own: string;
  all(): readonly Replica[];
  /** The name of the one that does what one of them has to do for all. Two may believe it of themselves for some seconds. */
  leader(): string;
  /** Whether it is this one. */
  leads(): boolean;
  /**
   * Calls each time that it was looked who is there, every few seconds, with whether somebody has come, a lease has lapsed, or a node is
   * at another. What was known of the ledger by then was recorded before the look. Ends with the returned function.
   */
  onLook(listener: (isChanged: boolean) => void): Cancel;
  /** Tells the others this of this one. Whoever can't be told now is told with the next renewal of the lease. */
  report(report: ReplicaReport): void;
  /** Calls whenever one of them has said something new of itself, or its lease has lapsed; ends with the returned function. */
  onReport(listener: () => void): Cancel;
};
