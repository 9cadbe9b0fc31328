import { existsSync } from "node:fs";
import { join } from "node:path";
import type { RegistrationEntry } from "../../domain/registration-entry.ts";
import { openReader } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { DATABASE_FILE } from "./durable-store.ts";
import { createProjectionReads } from "./reads/projection-reads.ts";
import { createReader } from "./reads/reader.ts";

/**
 * The entries in force, read beside a running broker and without its lock.
 *
 * @returns `undefined` where no broker has run yet
 * @throws BrokerError LEDGER_UNAVAILABLE when the ledger can't be read; NOT_SERVING when Node.js or SQLite is too old
 */
export async function readEntries(directory: string): Promise<readonly RegistrationEntry[] | undefined> {
  const path = join(directory, DATABASE_FILE);
  if (!existsSync(path)) return undefined;
  const driver = await loadDriver();
  const reader = createReader(() => openReader(driver, path));
  try {
    return (await createProjectionReads(reader).entries()).value;
  } finally {
    await reader.close();
  }
}
