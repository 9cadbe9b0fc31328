import { statSync } from "node:fs";
import { join } from "node:path";
import type { Authority } from "../../domain/authority.ts";
import { BrokerError } from "../../domain/errors.ts";
import type { EntryContent, RegistrationEntry } from "../../domain/registration-entry.ts";
import { DATABASE_FILE, openReader } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { pendingOf, readMigrations } from "./migrate.ts";
import { createProjectionReads } from "./reads/projection-reads.ts";
import { createReader } from "./reads/reader.ts";
import { ENTRY } from "./tables/entry-table.ts";

/** The entries in force and all authorities of a ledger; of one by an older version, only who its entries are. */
export type Kept =
  | {
      readonly schema: "current";
      readonly entries: readonly RegistrationEntry[];
      readonly authorities: readonly Authority[];
    }
  | { readonly schema: "older"; readonly entries: readonly KeptIdentity[]; readonly authorities: readonly [] };

type KeptIdentity = Pick<RegistrationEntry, "spiffeId" | "createdAt"> & {
  readonly content: Pick<EntryContent, "kind">;
};
type IdentityRow = Pick<RegistrationEntry, "spiffeId" | "createdAt"> & Pick<EntryContent, "kind">;

/**
 * Reads a ledger beside a running broker and without its lock.
 *
 * @returns `undefined` where no broker has run yet
 * @throws BrokerError LEDGER_UNAVAILABLE when the ledger can't be read; NOT_SERVING when it is no ledger or a newer
 *   version's, or Node.js or SQLite is too old
 */
export async function readBeside(directory: string): Promise<Kept | undefined> {
  const path = join(directory, DATABASE_FILE);
  if (!isThere(path)) return undefined;
  const driver = await loadDriver();
  const reader = createReader(() => openReader(driver, path));
  try {
    const { isNew, pending } = reader.read((db) => pendingOf(db, readMigrations()));
    if (isNew) return undefined;
    if (pending.length > 0) {
      const rows = reader.read((db) => db.all<IdentityRow>(ENTRY.identities));
      return {
        schema: "older",
        entries: rows.map(({ kind, ...row }) => ({ ...row, content: { kind } })),
        authorities: [],
      };
    }
    const projections = createProjectionReads(reader);
    const [entries, authorities] = await Promise.all([projections.entries(), projections.authorities()]);
    return { schema: "current", entries: entries.value, authorities: authorities.value };
  } finally {
    await reader.close();
  }
}

/** Whoever may not look into the directory must not be told that nothing is there. */
function isThere(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unknown";
    if (code === "ENOENT") return false;
    throw new BrokerError("LEDGER_UNAVAILABLE", "the ledger can't be read", { detail: `${path} (${code})` });
  }
}
