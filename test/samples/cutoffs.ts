import { type Cutoffs, RETENTION_CLASSES } from "../../src/domain/retention.ts";
import type { UnixMicros } from "../../src/domain/time.ts";

/** With which everything is due that is over by an instant. */
export function cutoffsAt(instant: UnixMicros): Cutoffs {
  return Object.fromEntries(RETENTION_CLASSES.map((name) => [name, instant]));
}
