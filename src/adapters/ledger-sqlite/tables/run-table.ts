import type { NodeName } from "../../../domain/node-name.ts";
import type { Owner } from "../../../domain/owner.ts";

export const RUN = {
  /** A run belongs to whoever opened its first step, also when the run was barred before. */
  claim: `
    INSERT INTO run (run_id, entry_id, machine, principal_id) VALUES (@runId, @entryId, @machine, @principalId)
    ON CONFLICT (run_id) DO UPDATE
       SET entry_id = coalesce(entry_id, excluded.entry_id),
           machine = CASE WHEN entry_id IS NULL THEN excluded.machine ELSE machine END,
           principal_id = CASE WHEN entry_id IS NULL OR principal_id = excluded.principal_id THEN excluded.principal_id END`,
  bar: `
    INSERT INTO run (run_id, barred_sequence) VALUES (@runId, @sequence)
    ON CONFLICT (run_id) DO UPDATE SET barred_sequence = excluded.barred_sequence`,
  /** `@runs`: a list of names. */
  barsOf: `
    SELECT barred_sequence FROM run
     WHERE run_id IN (SELECT value FROM json_each(@runs)) AND barred_sequence IS NOT NULL`,
  guard: `
    SELECT r.entry_id AS entryId, r.machine, r.barred_sequence AS barredSequence, p.barred_at_us AS principalBarredAt
      FROM run AS r LEFT JOIN principal AS p ON p.principal_id = r.principal_id WHERE r.run_id = @runId`,
} as const;

export type RunGuardRow = {
  readonly entryId: string | null;
  readonly machine: NodeName | null;
  readonly barredSequence: number | null;
  readonly principalBarredAt: number | null;
};

/** Whose the run is; `undefined` of one that was barred before its first step. */
export function ownerIn({ entryId, machine }: Pick<RunGuardRow, "entryId" | "machine">): Owner | undefined {
  if (entryId === null) return undefined;
  return machine === null ? { entryId } : { entryId, machine };
}
