export const RUN = {
  /** A run belongs to the entry that opened its first step, also when the run was barred before. */
  claim: `
    INSERT INTO run (run_id, entry_id) VALUES (@runId, @entryId)
    ON CONFLICT (run_id) DO UPDATE SET entry_id = coalesce(entry_id, excluded.entry_id)`,
  bar: `
    INSERT INTO run (run_id, barred_sequence) VALUES (@runId, @sequence)
    ON CONFLICT (run_id) DO UPDATE SET barred_sequence = excluded.barred_sequence`,
  barOf: "SELECT barred_sequence FROM run WHERE run_id = @runId AND barred_sequence IS NOT NULL",
  byId: "SELECT run_id AS runId, entry_id AS entryId, barred_sequence AS barredSequence FROM run WHERE run_id = @runId",
} as const;

export type RunRow = {
  readonly runId: string;
  readonly entryId: string | null;
  readonly barredSequence: number | null;
};
