import type { HistoryField, HistoryList, HistorySpan } from "../../../domain/history-filter.ts";
import { ISSUANCE_OUTCOME, ISSUANCE_OUTCOME_THROUGH } from "../tables/issuance-table.ts";

/**
 * Where a field's values are in the rows of a list: in one expression, or in each row of `from`. `covers` is the text by which a row
 * also matches, whatever value is looked for; `isBelow` matches by whole segments of a path, `isText` by words.
 */
export type FieldSql =
  | { readonly value: string; readonly isNumber?: true; readonly isBelow?: true; readonly isText?: true }
  | { readonly each: string; readonly from: string; readonly covers?: string };

/** By the fields that a list has. */
export type FieldsSql = { readonly [Field in HistoryField]?: FieldSql };

const runtimeName = (entryId: string) =>
  `(SELECT n.name FROM registration_entry AS n WHERE n.entry_id = ${entryId} AND n.kind = 'runtime')`;
const inGrant = (granted: string) => ({
  tool: { each: "g.value ->> '$.identifier'", from: `json_each(${granted}) AS g`, covers: "*" },
  action: { each: "a.value", from: `json_each(${granted}) AS g, json_each(g.value, '$.actions') AS a` },
  data_class: { each: "a.value", from: `json_each(${granted}) AS g, json_each(g.value, '$.datatypes') AS a` },
});
const bySituation = (member: string, column: string) =>
  `coalesce(d.situation ->> '$.${member}', (SELECT s.${column} FROM step AS s WHERE s.step_id = d.step_id))`;

/** Of the step `s`. */
const OF_STEP = {
  run: { value: "s.run_id" },
  step: { value: "s.step" },
  step_id: { value: "s.step_id" },
  attempt: { value: "s.attempt", isNumber: true },
  agent: { value: "s.agent" },
  runtime: { value: runtimeName("s.opener_entry_id") },
  principal: { value: "s.principal_id" },
  workflow: { value: "s.workflow" },
  decision: { value: "s.decision_id" },
} as const satisfies FieldsSql;

const POLICY_DIGEST_OF_STEP = {
  value: "(SELECT p.policy_digest FROM decision AS p WHERE p.decision_id = s.decision_id)",
};

/** By the aliases of `LIST_SQL`. */
export const FIELD_SQL: { readonly [List in HistoryList]: FieldsSql } = {
  issuances: {
    ...OF_STEP,
    // A credential that carries no grant, as X.509-SVIDs do, is good for its step's.
    ...inGrant("CASE WHEN i.granted = '[]' THEN coalesce(s.granted, '[]') ELSE i.granted END"),
    audience: { each: "a.value", from: "json_each(i.audiences) AS a" },
    spiffe_id: { value: "i.spiffe_id", isBelow: true },
    kind: { value: "i.kind" },
    outcome: { value: ISSUANCE_OUTCOME.name },
    reason: { value: ISSUANCE_OUTCOME.reason },
    policy_digest: POLICY_DIGEST_OF_STEP,
    entry: {
      each: "n.value",
      from: "json_each(json_array(i.entry_id, s.agent_entry_id, s.opener_entry_id)) AS n",
    },
    issuance: { value: "i.issuance_id" },
    jti: { value: "i.jti" },
    serial: { value: "i.serial_number" },
    authority: { value: "i.authority_id" },
    key: { value: "i.public_key_sha256" },
  },
  steps: {
    ...OF_STEP,
    ...inGrant("s.granted"),
    audience: { each: "a.value", from: "json_each(s.audiences) AS a" },
    spiffe_id: { value: "s.spiffe_id", isBelow: true },
    outcome: { value: "lower(s.state)" },
    reason: { value: "s.close_reason" },
    policy_digest: POLICY_DIGEST_OF_STEP,
    entry: { each: "n.value", from: "json_each(json_array(s.agent_entry_id, s.opener_entry_id)) AS n" },
    text: { value: "coalesce(s.purpose, '') || ' ' || coalesce(s.approval_answer ->> '$.reason', '')", isText: true },
    process: { each: "n.value", from: "json_each(json_array(s.opener, s.executor)) AS n" },
    key: {
      each: "k.public_key_sha256",
      from: "step_event AS h JOIN issuance AS k ON k.sequence = h.sequence AND h.step_sequence = s.sequence",
    },
  },
  decisions: {
    run: { value: "d.run_id" },
    step: { value: "d.step" },
    step_id: { value: "d.step_id" },
    attempt: { value: "d.attempt", isNumber: true },
    agent: { value: "d.agent" },
    runtime: { value: `coalesce(d.situation ->> '$.runtime', ${runtimeName("d.caller_entry_id")})` },
    principal: { value: bySituation("principalId", "principal_id") },
    workflow: { value: bySituation("workflow", "workflow") },
    ...inGrant("d.requested"),
    audience: { each: "a.value", from: "json_each(d.requested) AS g, json_each(g.value, '$.locations') AS a" },
    outcome: { value: "d.effect" },
    reason: { value: "d.reason" },
    decision: { value: "d.decision_id" },
    policy_digest: { value: "d.policy_digest" },
    policy: { each: "a.value", from: "json_each(d.determining_policies) AS a" },
    act: { value: "d.act" },
    text: { value: "coalesce(d.message, '')", isText: true },
    entry: { value: "d.caller_entry_id" },
  },
  events: { type: { value: "e.type" } },
  exchanges: {
    ...OF_STEP,
    kind: { value: "x.kind" },
    outcome: { value: "x.state" },
    issuance: { value: "x.issuance_id" },
    exchange: { value: "x.exchange_id" },
    target: { value: "x.target" },
  },
  usage: {
    ...OF_STEP,
    tool: { value: "u.tool" },
    action: { value: "u.action" },
    outcome: { value: "u.outcome" },
    verifier: { value: "e.name" },
  },
};

/** The fields of issuances that later events change, as they were at the sequence `@through`. */
export const ISSUANCE_FIELD_SQL_THROUGH: FieldsSql = {
  ...FIELD_SQL.issuances,
  outcome: { value: ISSUANCE_OUTCOME_THROUGH.name },
  reason: { value: ISSUANCE_OUTCOME_THROUGH.reason },
};

/** Of a list: its rows, the alias of the table that they are rows of, and for how many each of them stands. */
export const LIST_SQL = {
  issuances: {
    from: "issuance AS i LEFT JOIN step AS s ON s.sequence = i.step_sequence",
    alias: "i",
    weight: "1",
  },
  steps: { from: "step AS s", alias: "s", weight: "1" },
  decisions: { from: "decision AS d", alias: "d", weight: "d.count" },
  events: { from: "event AS e", alias: "e", weight: "1" },
  exchanges: {
    from: "exchange AS x JOIN step AS s ON s.sequence = x.step_sequence",
    alias: "x",
    weight: "1",
  },
  usage: {
    from: `usage AS u JOIN step AS s ON s.sequence = u.step_sequence
           JOIN registration_entry AS e ON e.entry_id = u.entry_id`,
    alias: "u",
    weight: "u.calls",
  },
} as const satisfies Readonly<Record<HistoryList, { from: string; alias: string; weight: string }>>;

/** In microseconds, by the aliases of `LIST_SQL`; NULL where a row has no such span. */
export const SPAN_SQL: { readonly [Span in HistorySpan]: string } = {
  validity: "i.expires_at_s * 1000000 - i.issued_at_us",
  usable: `
    CASE WHEN i.undelivered_sequence IS NULL
         THEN min(i.expires_at_s * 1000000, coalesce(i.revoked_at_us, i.expires_at_s * 1000000),
                  coalesce(s.closed_at_us, i.expires_at_s * 1000000)) - i.issued_at_us END`,
  open: "s.closed_at_us - s.opened_at_us",
  closure: "(SELECT c.reached_at_us FROM closure AS c WHERE c.closed_sequence = s.closed_sequence) - s.closed_at_us",
};

/** Of which rows something was alive at `@liveAt`. */
export const LIVE_AT_SQL = {
  issuances: `
    i.undelivered_sequence IS NULL AND i.issued_at_us <= @liveAt AND i.expires_at_s * 1000000 > @liveAt
    AND coalesce(i.revoked_at_us > @liveAt, 1) AND coalesce(s.closed_at_us > @liveAt, 1)`,
  steps: `
    s.opened_at_us <= @liveAt AND coalesce(s.closed_at_us > @liveAt, s.state = 'OPEN')
    AND (s.approval IS NULL OR coalesce(s.approval_answer ->> '$.approved', 0))`,
  exchanges: `
    x.recorded_at_us <= @liveAt AND x.state <> 'failed' AND coalesce(x.ended_at_us > @liveAt, 1)
    AND (x.endable = 1 OR x.expires_at_s * 1000000 > @liveAt)`,
} as const;

/** The same of issuances, as far as it was known at the sequence `@through`. */
export const ISSUANCE_LIVE_AT_SQL_THROUGH = `
  coalesce(i.undelivered_sequence > @through, 1) AND i.issued_at_us <= @liveAt AND i.expires_at_s * 1000000 > @liveAt
  AND coalesce(i.revoked_sequence > @through OR i.revoked_at_us > @liveAt, 1)
  AND coalesce(s.closed_sequence > @through OR s.closed_at_us > @liveAt, 1)`;
