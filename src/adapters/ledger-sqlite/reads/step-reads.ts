import type { Situation } from "../../../domain/decision.ts";
import { formatProcess } from "../../../domain/process.ts";
import type { RecordedRisk } from "../../../domain/risk.ts";
import type { Step } from "../../../domain/step.ts";
import type { StepReads } from "../../../ports/ledger-reads.ts";
import type { SqlParameters } from "../connection.ts";
import { DECISION } from "../tables/decision-table.ts";
import { sizeOf } from "../tables/event-table.ts";
import { RUN, type RunGuardRow } from "../tables/run-table.ts";
import { STEP, type StepRow, stepOf } from "../tables/step-table.ts";
import { FACT, type FactRow, RISK, scopeFactsOf } from "../tables/world-table.ts";
import { consistently, type Reader } from "./reader.ts";

/** Reads single steps on the event loop: each read is a lookup or two by an index, and costs less than a thread hop. */
export function createStepReads({ read }: Reader): StepReads {
  function one(sql: string, parameters: SqlParameters): Step | undefined {
    const row = read((db) => db.get<StepRow>(sql, parameters));
    return row === undefined ? undefined : stepOf(row);
  }

  return {
    step: async (stepId) => one(STEP.byId, { stepId }),
    newestAttempt: async (runId, step) => one(STEP.newestAttempt, { runId, step }),
    runEntry: async (runId) => read((db) => db.get<RunGuardRow>(RUN.guard, { runId }))?.entryId ?? undefined,
    standingAttempts: async (runId, step) =>
      read((db) => db.all<StepRow>(STEP.standingAttempts, { runId, step })).map(stepOf),
    stepByRequest: async (entryId, process, requestId) =>
      one(STEP.byRequest, { entryId, process: formatProcess(process), requestId }),
    world: async (facts, risks) =>
      read((db) =>
        consistently(db, () => ({
          facts: facts.flatMap((scope) => db.get<FactRow>(FACT.of, { scope }) ?? []).map(scopeFactsOf),
          risks: risks.flatMap((scope) => db.get<RecordedRisk>(RISK.of, { scope }) ?? []),
          through: sizeOf(db),
        })),
      ),
    async situation(decisionId) {
      const row = read((db) => db.get<{ readonly situation: string | null }>(DECISION.situation, { decisionId }));
      return row === undefined || row.situation === null ? undefined : (JSON.parse(row.situation) as Situation);
    },
  };
}
