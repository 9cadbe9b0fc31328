import { openWriter } from "../../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";
import { migrate, readMigrations } from "../../../src/adapters/ledger-sqlite/migrate.ts";
import type { UnixMicros } from "../../../src/domain/time.ts";

// An upgrade that is killed when its last event has been projected and nothing is committed yet:
// `node upgrade-child.ts <database>`.

const db = openWriter(await loadDriver(), process.argv[2] ?? "");
migrate(db, readMigrations(), 0 as UnixMicros, {
  freeBytes: () => Number.POSITIVE_INFINITY,
  progress: () => process.kill(process.pid, "SIGKILL"),
});
