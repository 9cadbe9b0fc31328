import type { Segment } from "../../../domain/spiffe-id.ts";
import type { UnixSeconds } from "../../../domain/time.ts";

/** Join tokens that nobody has used. A token whose row one of these statements removes is unknown from then on. */
export const JOIN_TOKEN = {
  insert: `
    INSERT INTO join_token (sha256, name, created_at_us, expires_at_s) VALUES (@sha256, @name, @createdAt, @expiresAt)`,
  bySha256: "SELECT name, expires_at_s AS expiresAt FROM join_token WHERE sha256 = @sha256",
  liveOfName: "SELECT count(*) AS count FROM join_token WHERE name = @name AND expires_at_s > @now",
  live: `
    SELECT name, created_at_us AS createdAt, expires_at_s AS expiresAt FROM join_token
     WHERE expires_at_s > @now ORDER BY name, created_at_us`,
  spend: "DELETE FROM join_token WHERE sha256 = @sha256",
  revoke: "DELETE FROM join_token WHERE name = @name",
  forget: "DELETE FROM join_token WHERE expires_at_s <= @now",
  removeAll: "DELETE FROM join_token",
} as const;

/** What the guard looks at. */
export type JoinTokenGuard = { readonly name: Segment; readonly expiresAt: UnixSeconds };

export const SPENT_EVIDENCE = {
  insert: "INSERT INTO spent_evidence (sha256, expires_at_s) VALUES (@sha256, @expiresAt)",
  bySha256: "SELECT expires_at_s AS expiresAt FROM spent_evidence WHERE sha256 = @sha256",
  forget: "DELETE FROM spent_evidence WHERE expires_at_s <= @now",
} as const;
