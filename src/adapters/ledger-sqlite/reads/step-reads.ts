import { formatProcess } from "../../../domain/process.ts";
import type { Step } from "../../../domain/step.ts";
import type { StepReads } from "../../../ports/ledger-reads.ts";
import type { SqlParameters } from "../connection.ts";
import { STEP, type StepRow, stepOf } from "../tables/step-table.ts";
import type { Reader } from "./reader.ts";

/** Reads single steps on the event loop: each read is a lookup or two by an index, and costs less than a thread hop. */
export function createStepReads({ read }: Reader): StepReads {
  function one(sql: string, parameters: SqlParameters): Step | undefined {
    const row = read((db) => db.get<StepRow>(sql, parameters));
    return row === undefined ? undefined : stepOf(row);
  }

  return {
    step: async (stepId) => one(STEP.byId, { stepId }),
    newestAttempt: async (runId, step) => one(STEP.newestAttempt, { runId, step }),
    stepByRequest: async (entryId, process, requestId) =>
      one(STEP.byRequest, { entryId, process: formatProcess(process), requestId }),
  };
}
