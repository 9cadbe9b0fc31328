import type { Authority } from "../../../domain/authority.ts";
import type { AuthorityPut } from "../../../domain/ledger-event.ts";
import type { UnixSeconds } from "../../../domain/time.ts";
import type { SqlParameters } from "../connection.ts";

export const AUTHORITY = {
  /** A removed authority stays removed, whatever a later event says: a new epoch removes all of them, naming none. */
  put: `
    INSERT INTO authority (
      authority_id, family, state, state_since_s, tainted, public_key, certificate, upstream, not_before_s, expires_at_s,
      replica, put_sequence)
    VALUES (
      @authorityId, @family, @state, @stateSince, 0, @publicKey, @certificate, @upstream, @notBefore, @expiresAt,
      @replica, @sequence)
    ON CONFLICT (authority_id) DO UPDATE
       SET family = excluded.family, public_key = excluded.public_key,
           state = CASE authority.state WHEN 'removed' THEN 'removed' ELSE excluded.state END,
           state_since_s = CASE authority.state WHEN 'removed' THEN authority.state_since_s ELSE excluded.state_since_s END,
           certificate = excluded.certificate, upstream = excluded.upstream, not_before_s = excluded.not_before_s,
           expires_at_s = excluded.expires_at_s`,
  /** An instant that was never recorded is not made up: a replay gives the rows that an earlier version wrote. */
  removeAll: `
    UPDATE authority SET state = 'removed', state_since_s = CASE WHEN state_since_s IS NULL THEN NULL ELSE @since END
     WHERE state <> 'removed'`,
  taint: "UPDATE authority SET tainted = 1 WHERE authority_id = @authorityId",
  guard: "SELECT state, tainted FROM authority WHERE authority_id = @authorityId",
  all: `
    SELECT authority_id AS authorityId, family, state, state_since_s AS stateSince, tainted, public_key AS publicKey,
           certificate, upstream, not_before_s AS notBefore, expires_at_s AS expiresAt, replica
      FROM authority ORDER BY put_sequence`,
} as const;

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

/** What the guards look at. */
export type AuthorityGuardRow = { readonly state: Authority["state"]; readonly tainted: number };

export type AuthorityRow = {
  readonly authorityId: string;
  readonly family: Authority["family"];
  readonly state: Authority["state"];
  readonly stateSince: UnixSeconds | null;
  readonly tainted: number;
  readonly publicKey: Uint8Array;
  readonly certificate: Uint8Array | null;
  readonly upstream: string | null;
  readonly notBefore: UnixSeconds;
  readonly expiresAt: UnixSeconds;
  readonly replica: string | null;
};

export function authorityOf({
  stateSince,
  tainted,
  publicKey,
  certificate,
  upstream,
  replica,
  ...row
}: AuthorityRow): Authority {
  return {
    ...row,
    publicKey: new Uint8Array(publicKey),
    ...(stateSince === null ? {} : { stateSince }),
    ...(tainted === 1 ? { tainted: true } : {}),
    ...(certificate === null ? {} : { certificate: new Uint8Array(certificate) }),
    ...(replica === null ? {} : { replica }),
    ...(upstream === null ? {} : { upstream: (JSON.parse(upstream) as string[]).map(bytesOf) }),
  };
}

export function parametersOfAuthority(authority: AuthorityPut["authority"], sequence: number): SqlParameters {
  return {
    sequence,
    authorityId: authority.authorityId,
    family: authority.family,
    state: authority.state,
    stateSince: authority.stateSince ?? null,
    publicKey: Buffer.from(authority.publicKey, "hex"),
    certificate: authority.certificate === undefined ? null : Buffer.from(authority.certificate, "hex"),
    upstream: authority.upstream === undefined ? null : JSON.stringify(authority.upstream),
    notBefore: authority.notBefore,
    expiresAt: authority.expiresAt,
    replica: authority.replica ?? null,
  };
}
