import { hash } from "node:crypto";
import type { EventDigest } from "../../../domain/audit-record.ts";
import type { ExportReads, ExportWindow } from "../../../ports/export-reads.ts";
import { DECISION, type DecisionRow, decisionOf } from "../tables/decision-table.ts";
import { EVENT, eventRowOf, isPruned, type StoredEvent } from "../tables/event-table.ts";
import { exportedIssuanceOf, ISSUANCE, type StoredExportedIssuance } from "../tables/issuance-table.ts";
import { effectOf, STEP, type StoredEffect } from "../tables/step-table.ts";
import { LIST_SQL } from "./history-fields.ts";
import { type Condition, pageConditions, readPage } from "./history-page.ts";
import { conditionsOn } from "./history-terms.ts";
import type { Reader } from "./reader.ts";

export function createExportReads({ read }: Reader): ExportReads {
  async function exportedDecisions(window: ExportWindow) {
    const conditions = conditionsIn("decisions", window);
    const page = { select: DECISION.history, conditions, orderBy: "d.sequence", limit: window.limit };
    return read((db) => readPage<DecisionRow>(db, page)).map(decisionOf);
  }

  return {
    exportedDecisions,
    async exportedRecords(window) {
      const { through } = window;
      const decisions = await exportedDecisions(window);
      const sequences = JSON.stringify(decisions.map(({ sequence }) => sequence));
      const stepIds = JSON.stringify(decisions.flatMap(({ stepId }) => stepId ?? []));
      const bytes = read((db) =>
        db.all<Pick<StoredEvent, "sequence" | "canonical" | "leafHash">>(EVENT.bytesOf, { sequences }),
      );
      const effects = read((db) => db.all<StoredEffect>(STEP.effects, { stepIds, through }));
      const eventOf = new Map(bytes.map((row) => [row.sequence, digestOf(row)]));
      const effectOfStep = new Map(effects.map((row) => [row.stepId, effectOf(row)]));
      return decisions.map((decision) => {
        const effect = effectOfStep.get(decision.stepId ?? "");
        const event = eventOf.get(decision.sequence) ?? { sha256: "" };
        return { sequence: decision.sequence, decision, event, ...(effect !== undefined && { effect }) };
      });
    },
    async exportedIssuances(window) {
      const conditions = conditionsIn("issuances", window);
      const page = { select: ISSUANCE.exported, conditions, orderBy: "i.sequence", limit: window.limit };
      return read((db) => readPage<StoredExportedIssuance>(db, page)).map(exportedIssuanceOf);
    },
    async exportedEvents(window) {
      const page = {
        select: EVENT.history,
        conditions: conditionsIn("events", window),
        orderBy: "e.sequence",
        limit: window.limit,
      };
      return read((db) => readPage<StoredEvent>(db, page)).map(eventRowOf);
    },
  };
}

/** Of an event that is pruned there is the leaf alone. */
function digestOf({ canonical, leafHash }: Pick<StoredEvent, "canonical" | "leafHash">): EventDigest {
  if (isPruned(canonical)) return { rfc6962leaf: Buffer.from(leafHash).toString("hex") };
  return { sha256: hash("sha256", canonical) };
}

/** What a window holds of the rows that its filter means. */
function conditionsIn(list: "issuances" | "decisions" | "events", window: ExportWindow): readonly Condition[] {
  const { after, end, ...filter } = window;
  const { alias } = LIST_SQL[list];
  return [
    { sql: `${alias}.sequence > @after AND ${alias}.sequence <= @end`, values: { after, end } },
    ...pageConditions(alias, filter),
    ...conditionsOn(list, filter),
  ];
}
