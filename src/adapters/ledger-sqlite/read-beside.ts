import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Authority } from "../../domain/authority.ts";
import type { RegistrationEntry } from "../../domain/registration-entry.ts";
import { openReader } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { DATABASE_FILE } from "./durable-store.ts";
import { createProjectionReads } from "./reads/projection-reads.ts";
import { createReader } from "./reads/reader.ts";

/** What a ledger holds whoever runs on it; read without its lock. */
export type Kept = { readonly entries: readonly RegistrationEntry[]; readonly authorities: readonly Authority[] };

/**
 * The entries in force and all authorities, read beside a running broker and without its lock.
 *
 * @returns `undefined` where no broker has run yet
 * @throws BrokerError LEDGER_UNAVAILABLE when the ledger can't be read; NOT_SERVING when Node.js or SQLite is too old
 */
export async function readBeside(directory: string): Promise<Kept | undefined> {
  const path = join(directory, DATABASE_FILE);
  if (!existsSync(path)) return undefined;
  const driver = await loadDriver();
  const reader = createReader(() => openReader(driver, path));
  try {
    const projections = createProjectionReads(reader);
    const [entries, authorities] = await Promise.all([projections.entries(), projections.authorities()]);
    return { entries: entries.value, authorities: authorities.value };
  } finally {
    await reader.close();
  }
}
