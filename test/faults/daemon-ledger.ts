import { join } from "node:path";
import { expect } from "vitest";
import { openSqliteLedger } from "../../src/adapters/ledger-sqlite/ledger-sqlite.ts";
import { readPolicies } from "../../src/adapters/policy-cedar/read-policies.ts";
import { systemClock } from "../../src/adapters/system/system-clock.ts";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { type DataClass, NO_DATA_CLASSES } from "../../src/domain/data-classes.ts";
import type { OpenedLedger } from "../../src/ports/ledger.ts";
import { checkpointsIn } from "../contract/checkpoints-in.ts";
import { done } from "../contract/ledger-world.ts";
import type { Daemon } from "../daemon.ts";
import { OPERATOR } from "../simulation/broker.ts";

/** Does something to the ledger of a daemon that does not run. */
export async function withLedger<Value>(
  { directory }: Pick<Daemon, "directory">,
  work: (store: OpenedLedger) => Promise<Value>,
): Promise<Value> {
  const store = await openSqliteLedger({
    directory: join(directory, "data", "ledger"),
    checkpoints: await checkpointsIn(join(directory, "data")),
    clock: systemClock(),
    randomness: systemRandomness(),
    reserveBytes: 0,
    diskFreeBytesMin: 0,
    failed: (error) => expect.fail(String(error)),
  });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** Puts the baseline in force. No class of data confines a run. */
export async function activateBaseline(daemon: Pick<Daemon, "directory">): Promise<void> {
  const { policies } = await readPolicies({ baseline: true });
  const internal: DataClass = { sensitivity: "ordinary", securityDomain: [] };
  const set = { policies, dataClasses: { ...NO_DATA_CLASSES, classes: { internal } } };
  const act = { act: "put-policy-set", set, origin: "api", activates: { reason: "test" }, by: OPERATOR } as const;
  await withLedger(daemon, async ({ ledger }) => done(await ledger.perform({ ...act, now: systemClock().now() })));
}
