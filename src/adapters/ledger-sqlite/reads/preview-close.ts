import { LIMITS } from "../../../domain/limits.ts";
import type { UnixMicros } from "../../../domain/time.ts";
import type { CloseTarget, IssuanceRow } from "../../../ports/ledger.ts";
import type { HistoryReads } from "../../../ports/ledger-reads.ts";
import type { Connection } from "../connection.ts";
import { readStep } from "../read-step.ts";
import { heldByStep, liveSubtree, rootsAmong } from "../subtree.ts";
import { ISSUANCE, issuanceOf, type StoredIssuance } from "../tables/issuance-table.ts";
import { liveStepsOf } from "../targets.ts";
import { consistently } from "./reader.ts";

/** What a close would find, by the very statements that the close itself uses. Lists are cut, counts are whole. */
export function previewClose(
  db: Connection,
  target: CloseTarget,
  now: UnixMicros,
): Awaited<ReturnType<HistoryReads["preview"]>> {
  return consistently(db, () => {
    const closing = rootsAmong(db, liveStepsOf(db, target)).flatMap((root) => liveSubtree(db, root));
    const issuances: IssuanceRow[] = [];
    let issuancesCount = 0;
    for (const { sequence } of closing) {
      issuancesCount += heldByStep(db, sequence, now).live;
      const limit = LIMITS.pageSizeMax - issuances.length;
      if (limit === 0) continue;
      const rows = db.all<StoredIssuance>(ISSUANCE.liveOfStep, { stepSequence: sequence, at: now, limit });
      issuances.push(...rows.map(issuanceOf));
    }
    return {
      steps: closing.slice(0, LIMITS.pageSizeMax).map((step) => readStep(db, step.sequence)),
      issuances,
      stepsCount: closing.length,
      issuancesCount,
    };
  });
}
