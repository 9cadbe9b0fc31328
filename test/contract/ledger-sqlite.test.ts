import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCheckpointFile } from "../../src/adapters/checkpoint-file/checkpoint-file.ts";
import { openSqliteLedger } from "../../src/adapters/ledger-sqlite/ledger-sqlite.ts";
import { ledgerContract } from "./ledger.ts";
import { ports, worldOf } from "./ledger-world.ts";

ledgerContract("SQLite on files, with its writing thread", async () => {
  const directory = await mkdtemp(join(tmpdir(), "stint-ledger-"));
  const given = ports();
  const failures: unknown[] = [];
  const store = await openSqliteLedger({
    directory,
    checkpoints: openCheckpointFile(join(directory, "checkpoint")),
    ...given,
    reserveBytes: 64 * 1024,
    diskFreeBytesMin: 0,
    failed: (error) => failures.push(error),
  });
  return {
    world: worldOf(store, given),
    async close() {
      await store.close();
      await rm(directory, { recursive: true });
      if (failures.length > 0) throw new AggregateError(failures, "failed in the background");
    },
  };
});
