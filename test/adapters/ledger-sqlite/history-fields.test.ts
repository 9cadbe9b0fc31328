import { expect, test } from "vitest";
import { FIELD_SQL } from "../../../src/adapters/ledger-sqlite/reads/history-fields.ts";
import { HISTORY_LISTS, type HistoryField, hasSeveral } from "../../../src/domain/history-filter.ts";

test.for(HISTORY_LISTS)(
  "%s have several values of those fields of which the domain says so, and of no other",
  (list) => {
    const fields = Object.entries(FIELD_SQL[list]) as [HistoryField, object][];
    const several = fields.filter(([, sql]) => "each" in sql).map(([field]) => field);
    expect(several).toEqual(fields.map(([field]) => field).filter((field) => hasSeveral(list, field)));
  },
);
