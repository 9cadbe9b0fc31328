import { secondsOf } from "../../../domain/time.ts";
import type { JoinToken, RegistryReads } from "../../../ports/ledger-reads.ts";
import { AUTHORITY, type AuthorityRow, authorityOf } from "../tables/authority-table.ts";
import { ENTRY, entryOf } from "../tables/entry-table.ts";
import { JOIN_TOKEN } from "../tables/evidence-table.ts";
import { FEDERATION, type FederationRow, federationOf } from "../tables/federation-table.ts";
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
    async federations() {
      const rows = read((db) => db.all<FederationRow>(FEDERATION.all));
      return rows.map(federationOf);
    },
    joinTokens: async (now) => read((db) => db.all<JoinToken>(JOIN_TOKEN.live, { now: secondsOf(now) })),
    receipts: async () => read((db) => db.all<ReceiptRow>(RECEIPT.all)),
  };
}
