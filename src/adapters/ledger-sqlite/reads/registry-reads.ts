import { secondsOf } from "../../../domain/time.ts";
import type { JoinToken, RegistryReads } from "../../../ports/ledger-reads.ts";
import { JOIN_TOKEN } from "../tables/evidence-table.ts";
import { PRINCIPAL, principalOf, type StoredPrincipal } from "../tables/principal-table.ts";
import type { Reader } from "./reader.ts";

export function createRegistryReads({ read }: Reader): RegistryReads {
  return {
    joinTokens: async (now) => read((db) => db.all<JoinToken>(JOIN_TOKEN.live, { now: secondsOf(now) })),
    principal: async (principalId) => {
      const row = read((db) => db.get<StoredPrincipal>(PRINCIPAL.byId, { principalId }));
      return row === undefined ? undefined : principalOf(row);
    },
    erasedPrincipals: async () => read((db) => db.all<StoredPrincipal>(PRINCIPAL.erased)).map(principalOf),
  };
}
