import { treeText } from "../../../domain/executor.ts";
import type { HistoryField, HistoryList, HistoryTerm, HistoryTerms } from "../../../domain/history-filter.ts";
import type { UnixMicros } from "../../../domain/time.ts";
import type { HistoryFilter } from "../../../ports/ledger-reads.ts";
import { RUN } from "../tables/run-table.ts";
import {
  FIELD_SQL,
  type FieldSql,
  type FieldsSql,
  ISSUANCE_FIELD_SQL_THROUGH,
  ISSUANCE_LIVE_AT_SQL_THROUGH,
  LIVE_AT_SQL,
} from "./history-fields.ts";
import { type Condition, joined, valuesOf, whereOf } from "./history-page.ts";

/** Steps and all that was delegated from them, at any depth. */
const DESCENDANTS = `
  WITH RECURSIVE below (sequence) AS (
    SELECT sequence FROM step WHERE step_id IN (SELECT value FROM json_each(@descendantsOf))
     UNION SELECT c.sequence FROM below AS b JOIN step AS c ON c.parent_sequence = b.sequence)
  SELECT sequence FROM below`;

/** By these an index finds a step's rows; by any other field of a step they are looked at one after the other. */
const NARROW_OF_STEP: readonly HistoryField[] = ["run", "step_id"];
const OF_STEP = ["run", "step", "step_id", "attempt", "agent", "runtime", "principal", "workflow"] as const;

type Asked = HistoryTerms &
  Pick<HistoryFilter, "runId" | "step" | "stepId" | "agent"> & {
    /** The instant at which the outcome of an issuance is judged. */
    readonly now?: UnixMicros;
    /** The sequence at which it is judged; absent: as it is now. */
    readonly through?: number;
  };

type DescendantsOf = HistoryTerms["descendantsOf"];

/** All terms of a filter, those that have a member of their own among them. */
function termsOf({ runId, step, stepId, agent, terms = [] }: Asked): readonly HistoryTerm[] {
  const own = { run: runId, step, step_id: stepId, agent } as const;
  const named = (Object.keys(own) as (keyof typeof own)[]).flatMap((field): HistoryTerm[] => {
    const value = own[field];
    return value === undefined ? [] : [{ field, values: [value], isExcluded: false }];
  });
  return [...named, ...terms];
}

/** Conditions on the rows of a list, by the aliases of `LIST_SQL`. */
export function conditionsOn(list: HistoryList, filter: Asked): readonly Condition[] {
  const terms = termsOf(filter);
  const { liveAt, descendantsOf, now, through } = filter;
  const isThrough = list === "issuances" && through !== undefined;
  const fields = isThrough ? ISSUANCE_FIELD_SQL_THROUGH : FIELD_SQL[list];
  const lives: { readonly [List in HistoryList]?: string } = LIVE_AT_SQL;
  const live = isThrough ? ISSUANCE_LIVE_AT_SQL_THROUGH : lives[list];
  return [
    ...(list === "events" ? eventConditions(terms, descendantsOf) : rowConditions(list, fields, terms)),
    ...(list === "issuances" ? throughSteps(terms, descendantsOf) : []),
    ...(list === "events" ? [] : descendantConditions(list, descendantsOf)),
    ...(live === undefined || liveAt === undefined ? [] : [{ sql: live, values: { liveAt } }]),
    ...(list !== "issuances" || now === undefined ? [] : [{ sql: "@now", values: { now } }]),
    ...(isThrough ? [{ sql: "@through", values: { through } }] : []),
  ];
}

function rowConditions(list: HistoryList, fields: FieldsSql, terms: readonly HistoryTerm[]): readonly Condition[] {
  return terms.map((term, position) => conditionOf(fields, term, `${list}${position}`));
}

function conditionOf(fields: FieldsSql, { field, values, isExcluded }: HistoryTerm, name: string): Condition {
  const sql = fields[field];
  // A list without such a field has no row that has the value.
  if (sql === undefined) return { sql: isExcluded ? "1 = 1" : "1 = 0", values: {} };
  const isNumber = "value" in sql && sql.isNumber === true;
  // An executor may be a process, or the tree below it.
  const named = field === "process" ? values.flatMap((value) => [value, treeText(value)]) : values;
  const isText = "value" in sql && sql.isText === true;
  const text = JSON.stringify(isNumber ? named.map(Number) : isText ? named.map(wordsOf) : named);
  const matches = matchOf(sql, `@${name}`);
  return { sql: isExcluded ? `NOT coalesce(${matches}, 0)` : matches, values: { [name]: text } };
}

/** In the letters in which SQLite's `lower` writes them, as the columns are. */
function wordsOf(text: string): readonly string[] {
  const lower = text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return lower.split(/\s+/).filter((word) => word !== "");
}

function matchOf(sql: FieldSql, list: string): string {
  const oneOf = `(SELECT value FROM json_each(${list}))`;
  if ("each" in sql) {
    const covered = sql.covers === undefined ? "" : ` OR ${sql.each} = '${sql.covers}'`;
    return `EXISTS (SELECT 1 FROM ${sql.from} WHERE ${sql.each} IN ${oneOf}${covered})`;
  }
  if (sql.isText === true) {
    return `EXISTS (SELECT 1 FROM json_each(${list}) AS w WHERE NOT EXISTS (
                     SELECT 1 FROM json_each(w.value) AS one WHERE instr(lower(${sql.value}), one.value) = 0))`;
  }
  if (sql.isBelow !== true) return `(${sql.value} IN ${oneOf})`;
  return `EXISTS (SELECT 1 FROM json_each(${list}) AS w WHERE ${sql.value} = w.value
                   OR substr(${sql.value}, 1, length(w.value) + 1) = w.value || '/')`;
}

function descendantConditions(list: HistoryList, descendantsOf: DescendantsOf): readonly Condition[] {
  if (descendantsOf === undefined || list === "issuances") return [];
  const values = { descendantsOf: JSON.stringify(descendantsOf) };
  if (list !== "decisions") return [{ sql: `s.sequence IN (${DESCENDANTS})`, values }];
  const sql = `d.sequence IN (SELECT h.sequence FROM step_event AS h WHERE h.step_sequence IN (${DESCENDANTS}))`;
  return [{ sql, values }];
}

/** Finds issuances through the events of their steps, where the filter leaves few steps. */
function throughSteps(terms: readonly HistoryTerm[], descendantsOf: DescendantsOf): readonly Condition[] {
  const narrow = terms.filter((term) => isNarrow(term, NARROW_OF_STEP));
  if (narrow.length === 0 && descendantsOf === undefined) return [];
  const conditions = stepsMeant(narrow, descendantsOf, "through");
  return [{ sql: `i.sequence IN (${eventsOf(conditions)})`, values: valuesOf(conditions) }];
}

function stepsMeant(terms: readonly HistoryTerm[], descendantsOf: DescendantsOf, name: string): Condition[] {
  return [
    ...terms.map((term, position) => conditionOf(FIELD_SQL.steps, term, `${name}${position}`)),
    ...(descendantsOf === undefined
      ? []
      : [{ sql: `s.sequence IN (${DESCENDANTS})`, values: { descendantsOf: JSON.stringify(descendantsOf) } }]),
  ];
}

function eventsOf(conditions: readonly Condition[]): string {
  return `SELECT h.sequence FROM step AS s JOIN step_event AS h ON h.step_sequence = s.sequence${whereOf(conditions)}`;
}

function isNarrow({ field, isExcluded }: HistoryTerm, fields: readonly HistoryField[]): boolean {
  return !isExcluded && fields.includes(field);
}

/** Events by their type, by the decision or credential that they are about, and by the steps that they concern. */
function eventConditions(terms: readonly HistoryTerm[], descendantsOf: DescendantsOf): readonly Condition[] {
  const isOfStep = ({ field }: HistoryTerm) => (OF_STEP as readonly HistoryField[]).includes(field);
  const ofSteps = terms.filter(isOfStep);
  const others = terms.filter((term) => !isOfStep(term));
  return [
    ...others.map((term, position) => ofSubject(term, `event${position}`)),
    ...concerningSteps(ofSteps, descendantsOf),
  ];
}

function ofSubject(term: HistoryTerm, name: string): Condition {
  if (term.field === "type") return conditionOf(FIELD_SQL.events, term, name);
  const isDecision = term.field === "decision";
  const inner = conditionOf(FIELD_SQL[isDecision ? "decisions" : "issuances"], { ...term, isExcluded: false }, name);
  const from = (column: string) => `SELECT i.${column} FROM issuance AS i WHERE ${inner.sql}`;
  const sequences = isDecision
    ? `SELECT d.sequence FROM decision AS d WHERE ${inner.sql}`
    : `${from("sequence")} UNION ALL ${from("undelivered_sequence")} UNION ALL ${from("revoked_sequence")}`;
  return { sql: `${term.isExcluded ? "NOT " : ""}(e.sequence IN (${sequences}))`, values: inner.values };
}

/**
 * The events of the steps that are meant, the decisions on steps that never came to be, and the bar of a run. Where the steps are few, by
 * the list of their events; else each event is looked at, by what its own type says of the step.
 */
function concerningSteps(terms: readonly HistoryTerm[], descendantsOf: DescendantsOf): readonly Condition[] {
  if (terms.length === 0 && descendantsOf === undefined) return [];
  const onlyExcludes = terms.every(({ isExcluded }) => isExcluded) && descendantsOf === undefined;
  const meant = onlyExcludes ? terms.map((term) => ({ ...term, isExcluded: false })) : terms;
  const by = onlyExcludes ? " OR " : " AND ";
  const onSteps = joined(stepsMeant(meant, descendantsOf, "step"), by);
  const decisions = meant.map((term, position) => conditionOf(FIELD_SQL.decisions, term, `step${position}`));
  const onDecisions = joined(decisions, by).sql;
  if (descendantsOf !== undefined || terms.some((term) => isNarrow(term, NARROW_OF_STEP))) {
    const [only] = terms;
    const runs = terms.length === 1 && only?.field === "run" && descendantsOf === undefined ? only.values : undefined;
    // A decision that names a step by its id is among the step's events; a denied opening has the name of a run alone.
    const isOfRuns = descendantsOf === undefined && terms.some((term) => isNarrow(term, ["run"]));
    const sequences = [
      eventsOf([onSteps]),
      ...(isOfRuns ? [`SELECT d.sequence FROM decision AS d WHERE ${onDecisions}`] : []),
      ...(runs === undefined ? [] : [RUN.barsOf]),
    ];
    const values = { ...onSteps.values, ...(runs === undefined ? {} : { runs: JSON.stringify(runs) }) };
    return [{ sql: `e.sequence IN (${sequences.join(" UNION ")})`, values }];
  }
  const concerns = concernsStep(onSteps.sql, onDecisions);
  return [{ sql: onlyExcludes ? `NOT ${concerns}` : concerns, values: onSteps.values }];
}

/** Whether one event concerns a step for which a condition holds. */
function concernsStep(onStep: string, onDecision: string): string {
  const step = (from: string, is: string) => `EXISTS (SELECT 1 FROM ${from} WHERE ${is} AND (${onStep}))`;
  const member = (path: string) => `CAST(e.canonical AS TEXT) ->> '$.${path}'`;
  const named = (path: string) => step("step AS s", `s.step_id = ${member(path)}`);
  const ofIssuance = "issuance AS i JOIN step AS s ON s.sequence = i.step_sequence";
  const ofTakenBack = `revocation AS v JOIN ${ofIssuance}`;
  const ofApproval = "call_approval AS c JOIN step AS s ON s.sequence = c.step_sequence";
  const ofExchange = "exchange AS x JOIN step AS s ON s.sequence = x.step_sequence";
  const cases: Readonly<Record<string, string>> = {
    "step.opened": step("step AS s", "s.sequence = e.sequence"),
    "step.pending": step("step AS s", "s.sequence = e.sequence"),
    "step.closed": step("step AS s", "s.closed_sequence = e.sequence"),
    "step.approved": named("stepId"),
    "step.refused": named("stepId"),
    "step.held": named("stepId"),
    "step.renewed": named("stepId"),
    "decision.made": `(EXISTS (SELECT 1 FROM decision AS d WHERE d.sequence = e.sequence AND (${onDecision}))
                       OR ${named("decision.stepId")})`,
    "issuance.recorded": step(ofIssuance, "i.sequence = e.sequence"),
    "issuance.undelivered": step(ofIssuance, `i.issuance_id = ${member("issuanceId")}`),
    "issuance.revoked": step(ofIssuance, `i.issuance_id = ${member("issuanceId")}`),
    "authority.tainted": step(
      ofTakenBack,
      "v.sequence = e.sequence AND v.subject = 'issuance' AND i.sequence = v.subject_sequence",
    ),
    "call.pending": named("pending.stepId"),
    "call.approved": step(ofApproval, `c.approval_id = ${member("approvalId")}`),
    "call.refused": step(ofApproval, `c.approval_id = ${member("approvalId")}`),
    "exchange.intended": named("exchange.stepId"),
    "exchange.answered": step(ofExchange, `x.exchange_id = ${member("exchangeId")}`),
    "exchange.ended": step(ofExchange, `x.exchange_id = ${member("exchangeId")}`),
  };
  const whens = Object.entries(cases).map(([type, sql]) => `WHEN '${type}' THEN ${sql}`);
  return `(CASE e.type ${whens.join(" ")} ELSE 0 END)`;
}
