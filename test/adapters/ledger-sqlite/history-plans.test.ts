import { afterAll, describe, expect, test } from "vitest";
import { type Connection, openWriter } from "../../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";
import { migrate, readMigrations } from "../../../src/adapters/ledger-sqlite/migrate.ts";
import { createHistoryReads } from "../../../src/adapters/ledger-sqlite/reads/history-reads.ts";
import {
  HISTORY_FIELDS,
  HISTORY_LISTS,
  HISTORY_SPANS,
  type HistoryField,
  type HistoryList,
  type HistorySpan,
  hasField,
  hasLives,
  hasSpan,
  isFoundAtOnce,
} from "../../../src/domain/history-filter.ts";
import type { UnixMicros } from "../../../src/domain/time.ts";
import type { HistoryFilter } from "../../../src/ports/ledger-reads.ts";

const driver = await loadDriver();
const db = openWriter(driver, ":memory:");
migrate(db, readMigrations(), 0 as UnixMicros);
afterAll(() => db.close());

/** How SQLite would read what is asked for: the plans of the statements that a read runs. */
async function plansOf(
  ask: (reads: ReturnType<typeof createHistoryReads>) => Promise<unknown>,
): Promise<readonly string[]> {
  const plans: string[] = [];
  const spy: Connection = {
    ...db,
    get(sql, parameters) {
      const plan = db.all<{ readonly detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, parameters);
      plans.push(...plan.map(({ detail }) => detail));
      return db.get(sql, parameters);
    },
    all(sql, parameters) {
      const plan = db.all<{ readonly detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, parameters);
      plans.push(...plan.map(({ detail }) => detail));
      return db.all(sql, parameters);
    },
  };
  await ask(createHistoryReads({ read: (work) => work(spy), close: () => undefined }));
  return plans;
}

const now = 1_800_000_000_000_000 as UnixMicros;
const READS = { usage: "usage", exchanges: "exchanges", issuances: "issuances" } as const;
const page = (list: HistoryList, filter: Partial<HistoryFilter>) =>
  plansOf((reads) => {
    const name = READS[list as keyof typeof READS] ?? (list as "steps" | "decisions" | "events");
    return reads[name]({ after: 5, before: 1_000, ...filter, now, limit: 100 });
  });

/** Reads of a table that grows with the log which do not begin at a key, and sorts of what a page is taken from. */
function costs(plans: readonly string[], isSorted: boolean): readonly string[] {
  const whole = /^SCAN (i|s|d|e|x|u|h|k|t|c|v|event|step|issuance|decision|step_event)( |$)/;
  const sort = /USE TEMP B-TREE FOR ORDER BY|AUTOMATIC/;
  return plans.filter((plan) => whole.test(plan) || (isSorted && sort.test(plan)));
}

describe.for(HISTORY_LISTS)("a page of %s", (list) => {
  test.for([
    ["in the middle", {}],
    ["oldest first", { oldestFirst: true }],
    ["of a time", { since: now, until: now }],
  ] as const)("%s begins at its place, and sorts nothing", async ([, filter]) => {
    expect(costs(await page(list, filter), true)).toEqual([]);
  });

  const fields = (Object.keys(HISTORY_FIELDS) as HistoryField[]).filter((field) => hasField(list, field));
  test.for(fields)("by %s reads no table through but the slice that it is given", async (field) => {
    for (const isExcluded of [false, true]) {
      const terms = [{ field, values: ["1"], isExcluded }];
      const isAtOnce = isFoundAtOnce(list, { terms });
      const found = costs(await page(list, { terms }), !isAtOnce);
      expect([isExcluded, found]).toEqual([isExcluded, []]);
    }
  });

  test("of descendants reads no table through", async () => {
    expect(costs(await page(list, { descendantsOf: ["step"] }), false)).toEqual([]);
  });

  test.runIf(hasLives(list))("that was alive at an instant begins at its place", async () => {
    expect(costs(await page(list, { liveAt: now }), true)).toEqual([]);
  });

  test("is counted by what the filter leaves of a slice", async () => {
    const plans = await plansOf((reads) => reads.count(list, { after: 5, before: 1_000, now }));
    expect(costs(plans, false)).toEqual(list === "usage" ? [expect.stringMatching(/^SCAN/)] : []);
  });

  test("is told how long it lasted by what the filter leaves of a slice", async () => {
    for (const span of (Object.keys(HISTORY_SPANS) as HistorySpan[]).filter((one) => hasSpan(list, one))) {
      const plans = await plansOf((reads) => reads.spans(list, { after: 5, before: 1_000, now }, span));
      expect([span, costs(plans, false)]).toEqual([span, []]);
    }
  });
});
