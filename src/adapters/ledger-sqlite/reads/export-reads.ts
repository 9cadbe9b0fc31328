import { hash } from "node:crypto";
import type { EventDigest } from "../../../domain/audit-record.ts";
import type { ExportFilter, ExportReads, ExportWindow } from "../../../ports/export-reads.ts";
import { DECISION, type DecisionRow, decisionOf } from "../tables/decision-table.ts";
import { EVENT, eventRowOf, isPruned, type StoredEvent } from "../tables/event-table.ts";
import { exportedIssuanceOf, ISSUANCE, type StoredExportedIssuance } from "../tables/issuance-table.ts";
import { effectOf, STEP, type StoredEffect } from "../tables/step-table.ts";
import { type Condition, pageConditions, readPage, when } from "./history-page.ts";
import type { Reader } from "./reader.ts";

export function createExportReads({ read }: Reader): ExportReads {
  async function exportedDecisions(window: ExportWindow) {
    const conditions = [...windowConditions("d", window), ...stepConditions("d", window)];
    const page = { select: DECISION.history, conditions, orderBy: "d.sequence", limit: window.limit };
    return read((db) => readPage<DecisionRow>(db, page)).map(decisionOf);
  }

  return {
    exportedDecisions,
    async exportedRecords(window, through) {
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
    async exportedIssuances(window, through) {
      const conditions = [...windowConditions("i", window, { through }), ...stepConditions("s", window)];
      const page = { select: ISSUANCE.exported, conditions, orderBy: "i.sequence", limit: window.limit };
      return read((db) => readPage<StoredExportedIssuance>(db, page)).map(exportedIssuanceOf);
    },
    async exportedEvents(window) {
      const page = {
        select: EVENT.history,
        conditions: windowConditions("e", window),
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

/** Conditions on the step that something belongs to. */
function stepConditions(step: string, filter: ExportFilter): readonly Condition[] {
  return [
    ...when(`${step}.run_id = @runId`, "runId", filter.runId),
    ...when(`${step}.step = @step`, "step", filter.step),
    ...when(`${step}.step_id = @stepId`, "stepId", filter.stepId),
    ...when(`${step}.agent = @agent`, "agent", filter.agent),
  ];
}

/** @param selected - values that the selection itself names. */
function windowConditions(
  table: string,
  window: ExportWindow,
  selected: Condition["values"] = {},
): readonly Condition[] {
  const { after, end, ...filter } = window;
  const sql = `${table}.sequence > @after AND ${table}.sequence <= @end`;
  return [{ sql, values: { after, end, ...selected } }, ...pageConditions(table, filter)];
}
