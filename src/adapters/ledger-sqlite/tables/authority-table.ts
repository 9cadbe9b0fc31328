import type { Authority } from "../../../domain/authority.ts";
import type { AuthorityPut } from "../../../domain/ledger-event.ts";
import type { UnixSeconds } from "../../../domain/time.ts";
import type { SqlParameters } from "../connection.ts";

export const AUTHORITY = {
  put: `
    INSERT INTO authority (
      authority_id, family, state, public_key, certificate, not_before_s, expires_at_s, put_sequence)
    VALUES (
      @authorityId, @family, @state, @publicKey, @certificate, @notBefore, @expiresAt, @sequence)
    ON CONFLICT (authority_id) DO UPDATE
       SET family = excluded.family, state = excluded.state, public_key = excluded.public_key,
           certificate = excluded.certificate, not_before_s = excluded.not_before_s,
           expires_at_s = excluded.expires_at_s`,
  retireAll: "UPDATE authority SET state = 'old'",
  all: `
    SELECT authority_id AS authorityId, family, state, public_key AS publicKey, certificate, not_before_s AS notBefore,
           expires_at_s AS expiresAt
      FROM authority ORDER BY put_sequence`,
} as const;

export type AuthorityRow = {
  readonly authorityId: string;
  readonly family: Authority["family"];
  readonly state: Authority["state"];
  readonly publicKey: Uint8Array;
  readonly certificate: Uint8Array | null;
  readonly notBefore: UnixSeconds;
  readonly expiresAt: UnixSeconds;
};

export function authorityOf({ publicKey, certificate, ...row }: AuthorityRow): Authority {
  return {
    ...row,
    publicKey: new Uint8Array(publicKey),
    ...(certificate === null ? {} : { certificate: new Uint8Array(certificate) }),
  };
}

/** What an event says of an authority: its bytes in hexadecimal. */
export function recordedAuthority({ publicKey, certificate, ...rest }: Authority): AuthorityPut["authority"] {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  return {
    ...rest,
    publicKey: hex(publicKey),
    ...(certificate === undefined ? {} : { certificate: hex(certificate) }),
  };
}

export function parametersOfAuthority(authority: AuthorityPut["authority"], sequence: number): SqlParameters {
  return {
    sequence,
    authorityId: authority.authorityId,
    family: authority.family,
    state: authority.state,
    publicKey: Buffer.from(authority.publicKey, "hex"),
    certificate: authority.certificate === undefined ? null : Buffer.from(authority.certificate, "hex"),
    notBefore: authority.notBefore,
    expiresAt: authority.expiresAt,
  };
}
