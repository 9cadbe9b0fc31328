import { hash } from "node:crypto";
import type { UnixMicros } from "../../domain/time.ts";
import type { Connection } from "./connection.ts";
import { type HeldByStep, ISSUANCE } from "./tables/issuance-table.ts";
import { STEP, type SubtreeRow } from "./tables/step-table.ts";

/** A step and all its live descendants, roots first; empty when the step itself is not live. */
export function liveSubtree(db: Connection, root: number): readonly SubtreeRow[] {
  return db.all<SubtreeRow>(STEP.liveSubtree, { root });
}

/** What a step holds, as a close at this instant finds it. */
export function heldByStep(db: Connection, stepSequence: number, at: UnixMicros): HeldByStep {
  const held = db.get<HeldByStep>(ISSUANCE.heldByStep, { stepSequence, at });
  return held ?? { latestExpiry: null, concernsAll: null, live: 0 };
}

/**
 * The digest by which a close names its steps without listing them: SHA-256, hexadecimal, of the sorted step ids, each
 * followed by a line feed.
 */
export function digestOf(steps: readonly { readonly stepId: string }[]): string {
  return digestOfIds(steps.map(({ stepId }) => stepId));
}

/** The same of any ids. */
export function digestOfIds(ids: readonly string[]): string {
  const lines = ids.map((id) => `${id}\n`).sort();
  return hash("sha256", lines.join(""));
}

/**
 * Those of these live steps that descend from no other of them: one close each closes all. The ancestors of a live step
 * are live, since a close takes all descendants along, so the parent links alone decide.
 */
export function rootsAmong(db: Connection, steps: readonly number[]): readonly number[] {
  const among = new Set(steps);
  return [...among].filter((step) => {
    let ancestor = parentOf(db, step);
    while (ancestor !== null) {
      if (among.has(ancestor)) return false;
      ancestor = parentOf(db, ancestor);
    }
    return true;
  });
}

function parentOf(db: Connection, sequence: number): number | null {
  return db.get<{ readonly parent: number | null }>(STEP.parentOf, { sequence })?.parent ?? null;
}
