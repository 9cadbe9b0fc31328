import type { Step } from "../../domain/step.ts";
import type { Connection } from "./connection.ts";
import { STEP, type StepRow, stepOf } from "./tables/step-table.ts";

/** A step that is known to be there, as it is now. */
export function readStep(db: Connection, sequence: number): Step {
  const row = db.get<StepRow>(STEP.bySequence, { sequence });
  if (row === undefined) throw new RangeError(`no step was opened by event ${sequence}`);
  return stepOf(row);
}
