import { join } from "node:path";
import type { Cutoffs } from "../../domain/retention.ts";
import type { DueClass } from "../../ports/ledger-retention.ts";
import { DATABASE_FILE, openReader } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { createReader } from "./reads/reader.ts";
import { createRetentionReads } from "./reads/retention-reads.ts";

/**
 * Reads beside a running broker, of a ledger of this version, what would be pruned at most.
 *
 * @param cutoffs - from whether the ledger began with a version that prunes.
 */
export async function dueBeside(directory: string, cutoffs: (isNew: boolean) => Cutoffs): Promise<readonly DueClass[]> {
  const driver = await loadDriver();
  const reader = createReader(() => openReader(driver, join(directory, DATABASE_FILE)));
  try {
    const reads = createRetentionReads(reader);
    const { isNew } = await reads.standing();
    return await reads.due(cutoffs(isNew), 0);
  } finally {
    reader.close();
  }
}
