import { join } from "node:path";
import { DATABASE_FILE, openReader } from "../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../src/adapters/ledger-sqlite/driver.ts";

/** Of the database of a ledger: pages that are not free. @param directory - of the ledger's files. */
export async function usedBytes(directory: string): Promise<number> {
  const db = openReader(await loadDriver(), join(directory, DATABASE_FILE));
  try {
    const one = (name: string) => Object.values((db.pragma(name) as readonly object[])[0] ?? {})[0] as number;
    return (one("page_count") - one("freelist_count")) * one("page_size");
  } finally {
    db.close();
  }
}
