import { expect, test } from "vitest";
import { openWriter } from "../../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";
import { migrate, readMigrations } from "../../../src/adapters/ledger-sqlite/migrate.ts";
import { AUTHORITY } from "../../../src/adapters/ledger-sqlite/tables/authority-table.ts";
import { CALL_APPROVAL } from "../../../src/adapters/ledger-sqlite/tables/call-approval-table.ts";
import { CLOSURE } from "../../../src/adapters/ledger-sqlite/tables/closure-table.ts";
import { DECISION } from "../../../src/adapters/ledger-sqlite/tables/decision-table.ts";
import { DELEGATION_TOKEN } from "../../../src/adapters/ledger-sqlite/tables/delegation-token-table.ts";
import { ENTRY } from "../../../src/adapters/ledger-sqlite/tables/entry-table.ts";
import { EPOCH, EVENT, TREE } from "../../../src/adapters/ledger-sqlite/tables/event-table.ts";
import { JOIN_TOKEN, SPENT_EVIDENCE } from "../../../src/adapters/ledger-sqlite/tables/evidence-table.ts";
import { EXCHANGE } from "../../../src/adapters/ledger-sqlite/tables/exchange-table.ts";
import { FEDERATION } from "../../../src/adapters/ledger-sqlite/tables/federation-table.ts";
import { ISSUANCE } from "../../../src/adapters/ledger-sqlite/tables/issuance-table.ts";
import { PRINCIPAL } from "../../../src/adapters/ledger-sqlite/tables/principal-table.ts";
import { RECEIPT } from "../../../src/adapters/ledger-sqlite/tables/receipt-table.ts";
import { REVOCATION } from "../../../src/adapters/ledger-sqlite/tables/revocation-table.ts";
import { RUN } from "../../../src/adapters/ledger-sqlite/tables/run-table.ts";
import { STEP } from "../../../src/adapters/ledger-sqlite/tables/step-table.ts";
import { TOOL, TOOL_DEFINITION } from "../../../src/adapters/ledger-sqlite/tables/tool-table.ts";
import type { UnixMicros } from "../../../src/domain/time.ts";

const TABLES = {
  AUTHORITY,
  CALL_APPROVAL,
  CLOSURE,
  DECISION,
  DELEGATION_TOKEN,
  ENTRY,
  EPOCH,
  EVENT,
  EXCHANGE,
  FEDERATION,
  ISSUANCE,
  JOIN_TOKEN,
  PRINCIPAL,
  RECEIPT,
  REVOCATION,
  RUN,
  SPENT_EVIDENCE,
  STEP,
  TOOL,
  TOOL_DEFINITION,
  TREE,
};

/** What may be read through: the steps that are not closed, by their own index, and tables that stay small. */
const BOUNDED = [
  /^SCAN (s|step) USING INDEX step_live_opener_entry$/,
  // Those of which something may be alive, by their own index.
  /^SCAN x USING INDEX exchange_standing$/,
  /^SCAN registration_entry USING INDEX registration_entry_name$/,
  /^SCAN (authority|receipt|join_token|federation)$/,
  // What a statement is given, and what an entry has in its own content.
  /^SCAN (json_each|own EXISTS) VIRTUAL TABLE/,
  /^SCAN join_token USING INDEX join_token_name$/,
  // Those who were erased, at the start.
  /^SCAN p USING INDEX principal_erased$/,
  // What is pinned is kept in memory, and bounded for each location; read at the start.
  /^SCAN tool$/,
  /^SCAN epoch$/,
  // What was reported of one step, summed up.
  /^SCAN c$/,
];

const driver = await loadDriver();

test("no statement of the paths reads a table through that grows with the log", () => {
  const db = openWriter(driver, ":memory:");
  migrate(db, readMigrations(), 0 as UnixMicros);
  const findings: string[] = [];
  for (const [table, statements] of Object.entries(TABLES)) {
    for (const [name, sql] of Object.entries<string>(statements)) {
      // The operator's pages, and those of an export, have conditions of their own, and a thread that may take its time.
      if (name === "history" || name === "evaluated" || name === "exported") continue;
      const parameters = Object.fromEntries([...sql.matchAll(/@(\w+)/g)].map(([, parameter = ""]) => [parameter, 1]));
      for (const { detail } of db.all<{ readonly detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, parameters)) {
        const isScan = /^SCAN|AUTOMATIC/.test(detail) && !BOUNDED.some((bounded) => bounded.test(detail));
        // By the primary key's beginning alone it is the whole table.
        const isHalfOpen = /\(sequence<\?\)/.test(detail);
        if (isScan || isHalfOpen) findings.push(`${table}.${name}: ${detail}`);
      }
    }
  }
  expect(findings).toEqual([]);
  db.close();
});
