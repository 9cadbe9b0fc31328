import { join } from "node:path";
import { expect } from "vitest";
import { openCheckpointFile } from "../../src/adapters/checkpoint-file/checkpoint-file.ts";
import { openSqliteLedger } from "../../src/adapters/ledger-sqlite/ledger-sqlite.ts";
import { systemClock } from "../../src/adapters/system/system-clock.ts";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import type { PolicySet } from "../../src/domain/policy-set.ts";
import type { Daemon } from "../daemon.ts";

/** Puts a set of policies in force in the ledger of a daemon that was stopped. */
export async function putPoliciesInForce({ directory }: Daemon, set: PolicySet): Promise<void> {
  const clock = systemClock();
  const store = await openSqliteLedger({
    directory: join(directory, "data", "ledger"),
    checkpoints: openCheckpointFile(join(directory, "data", "checkpoint")),
    clock,
    randomness: systemRandomness(),
    reserveBytes: 1_048_576,
    diskFreeBytesMin: 1_048_576,
    failed: (error) => expect.unreachable(String(error)),
  });
  await store.ledger.perform({
    act: "put-policy-set",
    set,
    origin: "api",
    activates: { reason: "for a test" },
    by: { kind: "broker", cause: "start" },
    now: clock.now(),
  });
  await store.close();
}
