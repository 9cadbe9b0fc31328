import type { CredentialReads, RevokedX509Svid } from "../../../ports/ledger-reads.ts";
import { ISSUANCE, issuanceOf, type StoredIssuance } from "../tables/issuance-table.ts";
import { type ExpiryPosition, REVOCATION } from "../tables/revocation-table.ts";
import { consistently, type Reader } from "./reader.ts";

/** Rows of the deny-list looked at in one turn of the event loop: about two milliseconds. */
const PART_ROWS = 500;

/** On the event loop, so that no long read of an operator delays a CRL; in parts, so as not to block the event loop. */
export function createCredentialReads({ read }: Reader): CredentialReads {
  /** `next` is where the next part begins; the last part has none. */
  function partAfter(from: ExpiryPosition, expiringAfter: number) {
    return read((db) =>
      consistently(db, (): { readonly svids: readonly RevokedX509Svid[]; readonly next?: ExpiryPosition } => {
        const positions = db.all<ExpiryPosition>(REVOCATION.positionsAfter, { ...from, limit: PART_ROWS });
        const through = positions.at(-1);
        if (through === undefined) return { svids: [] };
        const svids = db.all<RevokedX509Svid>(REVOCATION.revokedX509Svids, {
          ...from,
          throughExpiry: through.latestExpiry,
          throughSequence: through.sequence,
          throughSubject: through.subjectSequence,
          expiringAfter,
        });
        return positions.length < PART_ROWS ? { svids } : { svids, next: through };
      }),
    );
  }

  return {
    async *revokedX509Svids(expiringAfter) {
      let from: ExpiryPosition | undefined = {
        latestExpiry: expiringAfter,
        sequence: Number.MAX_SAFE_INTEGER,
        subjectSequence: 0,
      };
      while (from !== undefined) {
        const part: ReturnType<typeof partAfter> = partAfter(from, expiringAfter);
        yield part.svids;
        from = part.next;
      }
    },
    async issuance(credential) {
      const sql = "jti" in credential ? ISSUANCE.byJti : ISSUANCE.bySerialNumber;
      const row = read((db) => db.get<StoredIssuance>(sql, credential));
      return row === undefined ? undefined : issuanceOf(row);
    },
  };
}
