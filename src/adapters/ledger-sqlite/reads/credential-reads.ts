import type { CredentialReads, RevokedPosition, RevokedX509Svid } from "../../../ports/ledger-reads.ts";
import { ISSUANCE, issuanceOf, type StoredIssuance } from "../tables/issuance-table.ts";
import { REVOCATION } from "../tables/revocation-table.ts";
import { consistently, type Reader } from "./reader.ts";

/** Beside the event loop, so that no long read of an operator's delays a CRL; therefore in pages. */
export function createCredentialReads({ read }: Reader): CredentialReads {
  return {
    async revokedX509Svids({ expiringAfter, after, limit }) {
      const from = after ?? { latestExpiry: expiringAfter, sequence: Number.MAX_SAFE_INTEGER, subjectSequence: 0 };
      return read((db) =>
        consistently(db, () => {
          const positions = db.all<RevokedPosition>(REVOCATION.positionsAfter, { ...from, limit });
          const through = positions.at(-1);
          if (through === undefined) return { svids: [] };
          const svids = db.all<RevokedX509Svid>(REVOCATION.revokedX509Svids, {
            ...from,
            throughExpiry: through.latestExpiry,
            throughSequence: through.sequence,
            throughSubject: through.subjectSequence,
            expiringAfter,
          });
          return positions.length < limit ? { svids } : { svids, next: through };
        }),
      );
    },
    async issuance(credential) {
      const sql = "jti" in credential ? ISSUANCE.byJti : ISSUANCE.bySerialNumber;
      const row = read((db) => db.get<StoredIssuance>(sql, credential));
      return row === undefined ? undefined : issuanceOf(row);
    },
  };
}
