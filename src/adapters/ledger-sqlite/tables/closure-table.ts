import type { ClosedCredentials } from "../../../domain/closure.ts";
import type { UnixMicros, UnixSeconds } from "../../../domain/time.ts";

const OF_CLOSE = `
  FROM step AS s CROSS JOIN step_event AS h ON h.step_sequence = s.sequence
  CROSS JOIN issuance AS i ON i.sequence = h.sequence
  LEFT JOIN delegation_token AS d ON d.sequence = i.sequence`;

/** What nobody but the broker accepts, and what was never handed out, is accepted nowhere. */
const ACCEPTED = "i.undelivered_sequence IS NULL AND d.sequence IS NULL";

export const CLOSURE = {
  insert: "INSERT INTO closure (closed_sequence, reached_at_us) VALUES (@closedSequence, @reachedAt)",
  of: `
    SELECT s.closed_at_us AS closedAt, c.reached_at_us AS reachedAt
      FROM step AS s LEFT JOIN closure AS c ON c.closed_sequence = s.closed_sequence
     WHERE s.closed_sequence = @closedSequence LIMIT 1`,
  /** What the steps that were closed by one event held, by where it is accepted. */
  credentials: `
    SELECT json_each.value AS audience, count(*) AS credentials, max(i.expires_at_s) AS latestExpiry
      ${OF_CLOSE} CROSS JOIN json_each(iif(i.audiences = '[]', '[null]', i.audiences))
     WHERE s.closed_sequence = @closedSequence AND ${ACCEPTED}
     GROUP BY json_each.value ORDER BY json_each.value`,
} as const;

export type ClosureRow = { readonly closedAt: UnixMicros; readonly reachedAt: UnixMicros | null };

export type ClosedCredentialsRow = {
  readonly audience: string | null;
  readonly credentials: number;
  readonly latestExpiry: UnixSeconds;
};

export function closedCredentialsOf({ audience, ...rest }: ClosedCredentialsRow): ClosedCredentials {
  return audience === null ? rest : { audience, ...rest };
}
