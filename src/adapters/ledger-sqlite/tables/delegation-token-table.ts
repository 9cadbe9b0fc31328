import type { UnixSeconds } from "../../../domain/time.ts";

/** Delegation tokens by the sequence of their issuance, whose row says all that every credential has. */
export const DELEGATION_TOKEN = {
  insert: `
    INSERT INTO delegation_token (sequence, runtime_entry_id, may_act, uses_max, uses)
    VALUES (@sequence, @runtimeEntryId, @mayAct, @usesMax, 0)`,
  use: `
    UPDATE delegation_token SET uses = uses + 1 WHERE sequence = (SELECT sequence FROM issuance WHERE jti = @jti)`,
  guardByJti: `
    SELECT s.step_id AS stepId, d.runtime_entry_id AS runtimeEntryId, i.expires_at_s AS expiresAt, d.uses_max AS usesMax,
           d.uses
      FROM issuance AS i
      JOIN delegation_token AS d ON d.sequence = i.sequence
      JOIN step AS s ON s.sequence = i.step_sequence
     WHERE i.jti = @jti`,
} as const;

/** What the guard looks at. */
export type DelegationTokenGuardRow = {
  readonly stepId: string;
  readonly runtimeEntryId: string;
  readonly expiresAt: UnixSeconds;
  readonly usesMax: number;
  readonly uses: number;
};
