import type { RegistryReads } from "../../../ports/ledger-reads.ts";
import { AUTHORITY, type AuthorityRow, authorityOf } from "../tables/authority-table.ts";
import { ENTRY, entryOf } from "../tables/entry-table.ts";
import { RECEIPT, type ReceiptRow } from "../tables/receipt-table.ts";
import type { Reader } from "./reader.ts";

export function createRegistryReads({ read }: Reader): RegistryReads {
  return {
    async entries() {
      const rows = read((db) => db.all<{ readonly canonical: Uint8Array }>(ENTRY.current));
      return rows.map(entryOf);
    },
    async authorities() {
      const rows = read((db) => db.all<AuthorityRow>(AUTHORITY.all));
      return rows.map(authorityOf);
    },
    receipts: async () => read((db) => db.all<ReceiptRow>(RECEIPT.all)),
  };
}
