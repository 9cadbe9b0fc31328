import type { LedgerEvent } from "../../src/domain/ledger-event.ts";
import { createFollowers } from "../../src/ledger/followers.ts";
import type { OpenedLedger } from "../../src/ports/ledger.ts";
import { openReplica, type Replica } from "../follow/replica.ts";
import type { Ground } from "./broker.ts";

/** A second process that only follows: it knows of what was committed when it looks, and of nothing later. */
export type LaggingReplica = Replica & {
  catchUp(): void;
  /** How far all of it has come. */
  position(): number;
};

export async function laggingReplica({
  store,
  clock,
  failed,
}: Pick<Ground, "store" | "clock" | "failed">): Promise<LaggingReplica> {
  let head = store.ledger.head();
  const followers = createFollowers({
    head: () => head.sequence,
    read: async (after, limit) =>
      (await eventsAfter(store, after, limit)).filter(({ sequence }) => sequence <= head.sequence),
    clock,
    failed,
  });
  const ledger = { head: () => head, follow: followers.follow };
  const replica = await openReplica({ ...store, ledger, clock, failed });
  return {
    ...replica,
    position: () => Math.min(...followers.followers().map((one) => one.position)),
    catchUp() {
      head = store.ledger.head();
      followers.committed(undefined);
    },
  };
}

/** What is on record and not pruned, as followers read it. */
async function eventsAfter({ history }: Pick<OpenedLedger, "history">, after: number, limit: number) {
  const rows = await history.events({ after, oldestFirst: true, limit });
  const kept = rows.filter(({ canonical }) => canonical.length > 0);
  return kept.map(({ canonical, sequence }) => ({
    sequence,
    event: JSON.parse(Buffer.from(canonical).toString()) as LedgerEvent,
  }));
}
