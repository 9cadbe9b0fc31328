import { formatProcess } from "../../../domain/process.ts";
import type { Step } from "../../../domain/step.ts";
import type { StepReads } from "../../../ports/ledger-reads.ts";
import { LISTED_STEPS_MAX } from "../acts/close.ts";
import type { SqlParameters } from "../connection.ts";
import { recordedClose } from "../recorded-close.ts";
import { RUN, type RunRow } from "../tables/run-table.ts";
import { STEP, type StepRow, stepOf } from "../tables/step-table.ts";
import type { Reader } from "./reader.ts";

/** Point reads beside the event loop: each is a lookup or two by an index, so the thread hop would cost more. */
export function createStepReads({ read }: Reader): StepReads {
  function one(sql: string, parameters: SqlParameters): Step | undefined {
    const row = read((db) => db.get<StepRow>(sql, parameters));
    return row === undefined ? undefined : stepOf(row);
  }

  return {
    step: async (stepId) => one(STEP.byId, { stepId }),
    newestAttempt: async (runId, step) => one(STEP.newestAttempt, { runId, step }),
    async run(runId) {
      const row = read((db) => db.get<RunRow>(RUN.byId, { runId }));
      if (row === undefined) return undefined;
      // A run that was barred before anyone opened a step of it belongs to nobody.
      return { runId, entryId: row.entryId ?? "", barred: row.barredSequence !== null };
    },
    stepByRequest: async (entryId, process, requestId) =>
      one(STEP.byRequest, { entryId, process: formatProcess(process), requestId }),
    async openSteps({ executor, entryId }) {
      const rows = read((db) =>
        executor === undefined
          ? db.all<StepRow>(entryId === undefined ? STEP.open : STEP.openOfEntry, { entryId: entryId ?? null })
          : db.all<StepRow>(STEP.openOfExecutor, { executor: formatProcess(executor), entryId: entryId ?? null }),
      );
      return rows.map(stepOf);
    },
    closeOf: async (stepId) => read((db) => recordedClose(db, stepId, LISTED_STEPS_MAX)),
  };
}
