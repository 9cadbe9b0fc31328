import { join } from "node:path";
import { createFollowers, type FollowersPorts } from "../../ledger/followers.ts";
import type { Head, Ledger } from "../../ports/ledger.ts";
import type { ProjectionReads, StepReads } from "../../ports/ledger-reads.ts";
import { DATABASE_FILE, openReader } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { createEventReads } from "./reads/event-reads.ts";
import { createProjectionReads } from "./reads/projection-reads.ts";
import { createReader } from "./reads/reader.ts";
import { createStepReads } from "./reads/step-reads.ts";

/** A ledger that another process writes, for whoever only reads and follows it. */
export type LedgerBeside = {
  readonly ledger: Pick<Ledger, "follow"> & { head(): Pick<Head, "sequence"> };
  readonly projections: ProjectionReads;
  readonly steps: StepReads;
  /** To be called when the other process tells how far the ledger is: the followers read on from where they are. */
  committed(sequence: number): void;
};

/**
 * @param options.sequence - how far the ledger is at least.
 * @throws BrokerError NOT_SERVING when Node.js or SQLite is too old
 */
export async function followBeside({
  directory,
  sequence,
  clock,
  failed,
}: {
  readonly directory: string;
  readonly sequence: number;
} & Pick<FollowersPorts, "clock" | "failed">): Promise<LedgerBeside> {
  const driver = await loadDriver();
  const reader = createReader(() => openReader(driver, join(directory, DATABASE_FILE)));
  let head = sequence;
  const followers = createFollowers({ head: () => head, read: createEventReads(reader), clock, failed });
  return {
    ledger: { follow: followers.follow, head: () => ({ sequence: head }) },
    projections: createProjectionReads(reader),
    steps: createStepReads(reader),
    committed(newest) {
      head = Math.max(head, newest);
      followers.committed(undefined);
    },
  };
}
