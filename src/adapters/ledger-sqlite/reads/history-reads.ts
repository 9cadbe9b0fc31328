import type { CallApprovalState } from "../../../domain/call-approval.ts";
import { LIMITS } from "../../../domain/limits.ts";
import { addMicros, secondsOf, type UnixMicros } from "../../../domain/time.ts";
import type { HistoryReads } from "../../../ports/ledger-reads.ts";
import { CALL_APPROVAL, type CallApprovalRow, callApprovalOf, STATE_OF_CALL } from "../tables/call-approval-table.ts";
import { DECISION, type DecisionRow, decisionOf, type EvaluatedRow, evaluatedOf } from "../tables/decision-table.ts";
import { EVENT, eventRowOf, MINUTE, minuteOf, type StoredEvent } from "../tables/event-table.ts";
import { EXCHANGE, EXCHANGE_ALIVE, type ExchangeRow, exchangeOf } from "../tables/exchange-table.ts";
import { ISSUANCE, ISSUANCE_STATE, issuanceOf, type StoredIssuance } from "../tables/issuance-table.ts";
import { PRINCIPAL, principalOf, type StoredPrincipal } from "../tables/principal-table.ts";
import { STEP, type StepRow, stepOf } from "../tables/step-table.ts";
import { STATE_OF_TOOL, type StoredTool, TOOL, toolOf } from "../tables/tool-table.ts";
import { USAGE, type UsageHistoryRow } from "../tables/usage-table.ts";
import { countRows, sequenceSpan, spansOfRows } from "./history-counts.ts";
import { LIST_SQL } from "./history-fields.ts";
import { type Condition, pageConditions, readPage, when } from "./history-page.ts";
import { conditionsOn } from "./history-terms.ts";
import type { Reader } from "./reader.ts";
import { stepTree } from "./step-tree.ts";
import { closedBy, previewClose, takenBack } from "./taken-back.ts";

export function createHistoryReads({ read }: Reader): HistoryReads {
  return {
    async issuances(filter) {
      const { kind, state, serialNumber, jti, toBeSignedSha256, now } = filter;
      const digest = toBeSignedSha256 === undefined ? undefined : Buffer.from(toBeSignedSha256, "hex");
      const conditions = [
        ...pageConditions("i", filter),
        ...conditionsOn("issuances", filter),
        ...when("i.kind = @kind", "kind", kind),
        ...when("i.serial_number = @serialNumber", "serialNumber", serialNumber),
        ...when("i.jti = @jti", "jti", jti),
        ...when("i.to_be_signed_sha256 = @digest", "digest", digest),
        ...(state === undefined ? [] : [{ sql: ISSUANCE_STATE[state], values: { now } }]),
        ...(state === "live" ? [stillLive(now)] : []),
      ];
      const page = {
        select: ISSUANCE.history,
        conditions,
        orderBy: orderOf("i.sequence", filter),
        limit: filter.limit,
      };
      return read((db) => readPage<StoredIssuance>(db, page)).map(issuanceOf);
    },
    async steps(filter) {
      const conditions = [
        ...pageConditions("s", filter),
        ...conditionsOn("steps", filter),
        ...when(
          "s.state IN (SELECT value FROM json_each(@states))",
          "states",
          filter.states === undefined ? undefined : JSON.stringify(filter.states),
        ),
        ...when("r.entry_id = @runEntryId", "runEntryId", filter.runOwner?.entryId),
        ...(filter.runOwner === undefined
          ? []
          : when("r.machine IS nullif(@runMachine, '')", "runMachine", filter.runOwner.machine ?? "")),
      ];
      const page = { select: STEP.history, conditions, orderBy: orderOf("s.sequence", filter), limit: filter.limit };
      return read((db) => readPage<StepRow>(db, page)).map(stepOf);
    },
    async decisions(filter) {
      const conditions = [
        ...pageConditions("d", filter),
        ...conditionsOn("decisions", filter),
        ...when("d.effect = @effect", "effect", filter.effect),
        ...when("d.decision_id = @decisionId", "decisionId", filter.decisionId),
      ];
      const page = {
        select: DECISION.history,
        conditions,
        orderBy: orderOf("d.sequence", filter),
        limit: filter.limit,
      };
      return read((db) => readPage<DecisionRow>(db, page)).map(decisionOf);
    },
    async usage(filter) {
      const conditions = [
        ...when("u.usage_id < @before", "before", filter.before),
        ...when("u.usage_id > @after", "after", filter.after),
        ...conditionsOn("usage", filter),
      ];
      const page = { select: USAGE.history, conditions, orderBy: orderOf("u.usage_id", filter), limit: filter.limit };
      return read((db) => readPage<UsageHistoryRow>(db, page));
    },
    async evaluated(filter) {
      const conditions = [
        ...pageConditions("d", filter),
        ...when("d.agent = @agent", "agent", filter.agent),
        { sql: "d.act IN ('open', 'judge', 'call')", values: {} },
      ];
      const page = { select: DECISION.evaluated, conditions, orderBy: "d.sequence", limit: filter.limit };
      return read((db) => readPage<EvaluatedRow>(db, page)).map(evaluatedOf);
    },
    async callApprovals(filter) {
      const { states, now } = filter;
      const conditions = [
        ...pageConditions("c", filter),
        ...conditionsOn("steps", filter),
        ...(states === undefined ? [] : [{ sql: inOneOf(states), values: { now: secondsOf(now) } }]),
      ];
      const page = { select: CALL_APPROVAL.history, conditions, orderBy: "c.sequence DESC", limit: filter.limit };
      return read((db) => readPage<CallApprovalRow>(db, page)).map(callApprovalOf);
    },
    async events(filter) {
      const conditions = [
        ...pageConditions("e", filter),
        ...conditionsOn("events", filter),
        ...when("e.type = @type", "type", filter.type),
      ];
      const page = { select: EVENT.history, conditions, orderBy: orderOf("e.sequence", filter), limit: filter.limit };
      return read((db) => readPage<StoredEvent>(db, page)).map(eventRowOf);
    },
    async principals({ before, limit }) {
      const conditions = when("p.sequence < @before", "before", before);
      const page = { select: PRINCIPAL.history, conditions, orderBy: "p.sequence DESC", limit };
      return read((db) => readPage<StoredPrincipal>(db, page)).map(principalOf);
    },
    async tools({ before, limit, location, states }) {
      const conditions = [
        ...when("t.sequence < @before", "before", before),
        ...when("t.location = @location", "location", location),
        ...(states === undefined
          ? []
          : [{ sql: states.map((state) => `(${STATE_OF_TOOL[state]})`).join(" OR "), values: {} }]),
      ];
      const page = { select: TOOL.history, conditions, orderBy: "t.sequence DESC", limit };
      return read((db) => readPage<StoredTool>(db, page)).map(toolOf);
    },
    async exchanges(filter) {
      const conditions = [
        ...pageConditions("x", filter),
        ...conditionsOn("exchanges", filter),
        ...when("x.target = @target", "target", filter.target),
        ...(filter.alive === true ? [{ sql: EXCHANGE_ALIVE, values: { now: secondsOf(filter.now) } }] : []),
      ];
      const page = {
        select: EXCHANGE.history,
        conditions,
        orderBy: orderOf("x.sequence", filter),
        limit: filter.limit,
      };
      return read((db) => readPage<ExchangeRow>(db, page)).map(exchangeOf);
    },
    async count(list, filter, groupBy) {
      const bounds = list === "usage" ? [] : pageConditions(LIST_SQL[list].alias, filter);
      return read((db) => countRows(db, list, [...bounds, ...conditionsOn(list, filter)], groupBy));
    },
    async spans(list, filter, span) {
      const bounds = list === "usage" ? [] : pageConditions(LIST_SQL[list].alias, filter);
      return read((db) => spansOfRows(db, list, [...bounds, ...conditionsOn(list, filter)], span));
    },
    span: async (filter) => read((db) => sequenceSpan(db, filter)),
    stepTree: async (stepId, stepsMax) => read((db) => stepTree(db, stepId, stepsMax)),
    preview: async (target, now) => read((db) => previewClose(db, target, now)),
    takenBack: async (firstSequence, sequence, now) => read((db) => takenBack(db, firstSequence, sequence, now)),
    closedBy: async (closedSequence) => read((db) => closedBy(db, closedSequence)),
  };
}

function orderOf(key: string, { oldestFirst = false }: { readonly oldestFirst?: boolean }): string {
  return `${key} ${oldestFirst ? "ASC" : "DESC"}`;
}

/** `1 = 0`: in none. */
function inOneOf(states: readonly CallApprovalState[]): string {
  return states.length === 0 ? "1 = 0" : states.map((state) => `(${STATE_OF_CALL[state]})`).join(" OR ");
}

/** No credential lives longer than the longest step, so live credentials are found without reading all older ones. */
function stillLive(now: UnixMicros): Condition {
  const earliest = addMicros(now, -LIMITS.stepSecondsMax * 1_000_000);
  const sql = `i.sequence >= ${MINUTE.firstSince.replace("@sinceMinute", "@liveMinute")}`;
  return { sql, values: { liveMinute: minuteOf(earliest) } };
}
