import { formatProcess } from "../../domain/process.ts";
import type { CloseTarget } from "../../ports/ledger.ts";
import type { Connection } from "./connection.ts";
import { STEP, type StepGuard } from "./tables/step-table.ts";

type SequenceRow = { readonly sequence: number };

/** The live steps that a target names, by the sequence of their opening; their descendants are not among them. */
export function liveStepsOf(db: Connection, target: CloseTarget): readonly number[] {
  return rowsOf(db, target).map((row) => row.sequence);
}

function rowsOf(db: Connection, target: CloseTarget): readonly SequenceRow[] {
  switch (target.kind) {
    case "steps":
      return target.stepIds
        .map((stepId) => db.get<StepGuard>(STEP.guardById, { stepId }))
        .filter((step) => step !== undefined && step.closedSequence === null) as readonly SequenceRow[];
    case "run":
      return db.all<SequenceRow>(STEP.liveOfRun, { runId: target.runId });
    case "entry":
      return db.all<SequenceRow>(STEP.liveOfEntry, { entryId: target.entryId });
    case "process":
      return db.all<SequenceRow>(STEP.liveOfProcess, { process: formatProcess(target.process) });
    case "principal":
      return db.all<SequenceRow>(STEP.liveOfPrincipal, { iss: target.iss, sub: target.sub });
  }
}
