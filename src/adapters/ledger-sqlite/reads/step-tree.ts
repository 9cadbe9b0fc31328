import type { Step } from "../../../domain/step.ts";
import type { StepTree } from "../../../ports/ledger-reads.ts";
import type { Connection } from "../connection.ts";
import { STEP, type StepRow, stepOf } from "../tables/step-table.ts";
import { consistently } from "./reader.ts";

/**
 * A step with its ancestors and descendants, open or closed, as of one commit. Ancestors are as many as delegation goes
 * deep; descendants are read level by level, so that a list that is cut has those next to the step.
 */
export function stepTree(db: Connection, stepId: string, stepsMax: number): StepTree {
  return consistently(db, () => {
    const row = db.get<StepRow>(STEP.byId, { stepId });
    if (row === undefined) return { steps: [], isCut: false };
    const ancestors: Step[] = [];
    for (let { parentStepId } = row; parentStepId !== null; ) {
      const parent = db.get<StepRow>(STEP.byId, { stepId: parentStepId });
      if (parent === undefined) break;
      ancestors.unshift(stepOf(parent));
      parentStepId = parent.parentStepId;
    }
    const subtree: Step[] = [stepOf(row)];
    const left = () => stepsMax - ancestors.length - subtree.length;
    // The list grows while it is walked: the children of each step are put at its end.
    for (const { openedSequence: parentSequence } of subtree) {
      const children = db.all<StepRow>(STEP.children, { parentSequence, limit: left() + 1 }).map(stepOf);
      const room = left();
      subtree.push(...children.slice(0, room));
      if (children.length > room) return { steps: [...ancestors, ...subtree], isCut: true };
    }
    return { steps: [...ancestors, ...subtree], isCut: false };
  });
}
