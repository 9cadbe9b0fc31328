import { DENIED_AFTER_EXPIRY_SECONDS } from "../../../domain/revocation.ts";
import type { TokenStatus } from "../../../domain/status-list.ts";
import { addSeconds } from "../../../domain/time.ts";
import type { CredentialReads, RevokedX509Svid, StatusListRow } from "../../../ports/credential-reads.ts";
import { ISSUANCE, issuanceOf, type StoredIssuance } from "../tables/issuance-table.ts";
import { type ExpiryPosition, REVOCATION } from "../tables/revocation-table.ts";
import { STATUS_LIST } from "../tables/status-list-table.ts";
import { consistently, type Reader } from "./reader.ts";

/** Rows of the deny-list looked at in one turn of the event loop: about two milliseconds. */
const PART_ROWS = 500;

/** A position in the deny-list: by expiry, or in ledger order. */
type Listed<Found> = { readonly found: readonly Found[]; readonly next?: ExpiryPosition };

/** On the event loop, so that no long read of an operator delays a CRL; in parts, so as not to block the event loop. */
export function createCredentialReads({ read }: Reader): CredentialReads {
  /**
   * What a part of the deny-list is about, which begins after `from`. `next` is where the next part begins; the last part
   * has none.
   */
  function partAfter<Found>(
    from: ExpiryPosition,
    sql: { readonly positions: string; readonly found: string },
    given: { readonly [name: string]: number },
  ): Listed<Found> {
    return read((db) =>
      consistently(db, (): Listed<Found> => {
        const positions = db.all<ExpiryPosition>(sql.positions, { ...from, ...given, limit: PART_ROWS });
        const through = positions.at(-1);
        if (through === undefined) return { found: [] };
        const found = db.all<Found>(sql.found, {
          ...from,
          ...given,
          throughExpiry: through.latestExpiry,
          throughSequence: through.sequence,
          throughSubject: through.subjectSequence,
        });
        return positions.length < PART_ROWS ? { found } : { found, next: through };
      }),
    );
  }

  async function* parts<Found>(
    begin: ExpiryPosition,
    sql: { readonly positions: string; readonly found: string },
    given: { readonly [name: string]: number } = {},
  ): AsyncIterable<readonly Found[]> {
    let from: ExpiryPosition | undefined = begin;
    while (from !== undefined) {
      const part: Listed<Found> = partAfter<Found>(from, sql, given);
      yield part.found;
      from = part.next;
    }
  }

  /** Behind all that expired by then. */
  const expiredBy = (latestExpiry: ExpiryPosition["latestExpiry"]): ExpiryPosition => ({
    latestExpiry,
    sequence: Number.MAX_SAFE_INTEGER,
    subjectSequence: 0,
  });

  return {
    revokedX509Svids: (expiringAfter) =>
      parts<RevokedX509Svid>(
        expiredBy(expiringAfter),
        { positions: REVOCATION.positionsAfter, found: REVOCATION.revokedX509Svids },
        { expiringAfter },
      ),
    statusLists: async (now) => read((db) => db.all<StatusListRow>(STATUS_LIST.endingAfter, { now })),
    revokedStatuses: (now) =>
      parts<TokenStatus>(expiredBy(addSeconds(now, -DENIED_AFTER_EXPIRY_SECONDS)), {
        positions: REVOCATION.positionsAfter,
        found: REVOCATION.revokedStatuses,
      }),
    statusesRevokedBetween: (after, through) =>
      parts<TokenStatus>(
        {
          latestExpiry: 0 as ExpiryPosition["latestExpiry"],
          sequence: after,
          subjectSequence: Number.MAX_SAFE_INTEGER,
        },
        { positions: REVOCATION.positionsBetween, found: REVOCATION.revokedStatusesBetween },
        { through },
      ),
    async issuance(credential) {
      const sql = "jti" in credential ? ISSUANCE.byJti : ISSUANCE.bySerialNumber;
      const row = read((db) => db.get<StoredIssuance>(sql, credential));
      return row === undefined ? undefined : issuanceOf(row);
    },
  };
}
