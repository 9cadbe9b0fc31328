import { formatProcess } from "../../../domain/process.ts";
import type { AsOf } from "../../../ports/following.ts";
import type { ProjectionReads } from "../../../ports/ledger-reads.ts";
import type { Connection, SqlParameters } from "../connection.ts";
import { AUTHORITY, authorityOf } from "../tables/authority-table.ts";
import { ENTRY, entryOf } from "../tables/entry-table.ts";
import { EVENT_STREAM, eventStreamOf } from "../tables/event-stream-table.ts";
import { sizeOf } from "../tables/event-table.ts";
import { EXCHANGE, exchangeOf } from "../tables/exchange-table.ts";
import { FEDERATION, federationOf } from "../tables/federation-table.ts";
import { inForceOf, NONE_IN_FORCE, POLICY_SET } from "../tables/policy-table.ts";
import { RECEIPT, receiptOf } from "../tables/receipt-table.ts";
import { ENROLLED_PROCESS, STEP_OPENER } from "../tables/step-process-table.ts";
import { STEP, stepOf } from "../tables/step-table.ts";
import { standingOf, TOOL } from "../tables/tool-table.ts";
import { consistently, type Reader } from "./reader.ts";

export function createProjectionReads({ read }: Reader): ProjectionReads {
  async function asOf<Row, Value>(
    sql: string,
    from: (row: Row) => Value,
    parameters: SqlParameters = {},
  ): Promise<AsOf<readonly Value[]>> {
    const rows = (db: Connection) => ({ rows: db.all<Row>(sql, parameters), through: sizeOf(db) });
    const { rows: found, through } = read((db) => consistently(db, () => rows(db)));
    return { value: found.map(from), through };
  }

  return {
    openSteps: () => asOf(STEP.open, stepOf),
    async stepProcesses(among) {
      const found = (db: Connection, sql: string) =>
        among.filter((process) => db.get(sql, { process: formatProcess(process) }) !== undefined);
      return read((db) =>
        consistently(db, () => ({
          value: { openers: found(db, STEP_OPENER.byProcess), enrolled: found(db, ENROLLED_PROCESS.byProcess) },
          through: sizeOf(db),
        })),
      );
    },
    entries: () => asOf(ENTRY.current, entryOf),
    authorities: () => asOf(AUTHORITY.all, authorityOf),
    exchanges: (now) => asOf(EXCHANGE.alive, exchangeOf, { now }),
    federations: () => asOf(FEDERATION.all, federationOf),
    async policiesInForce() {
      const { value, through } = await asOf(POLICY_SET.inForce, inForceOf);
      return { value: value[0] ?? NONE_IN_FORCE, through };
    },
    tools: () => asOf(TOOL.pinned, standingOf),
    eventStreams: () => asOf(EVENT_STREAM.all, eventStreamOf),
    receipts: () => asOf(RECEIPT.all, receiptOf),
  };
}
