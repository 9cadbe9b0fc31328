/** Processes that ever opened a step. */
export const STEP_OPENER = {
  insert: "INSERT INTO step_opener (process, first_sequence) VALUES (@process, @sequence) ON CONFLICT DO NOTHING",
  byProcess: "SELECT first_sequence AS sequence FROM step_opener WHERE process = @process",
} as const;

/** Processes that another enrolled. */
export const ENROLLED_PROCESS = {
  insert: "INSERT INTO enrolled_process (process, sequence) VALUES (@process, @sequence)",
  byProcess: "SELECT sequence FROM enrolled_process WHERE process = @process",
} as const;
