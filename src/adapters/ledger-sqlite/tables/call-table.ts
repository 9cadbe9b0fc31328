import type { CallCounts } from "../../../domain/grant.ts";
import type { Connection } from "../connection.ts";

export const CALL = {
  count: `
    INSERT INTO call_count (holder, element, calls) VALUES (@holder, @element, 1)
    ON CONFLICT (holder, element) DO UPDATE SET calls = call_count.calls + 1`,
  countsOf: "SELECT element, calls FROM call_count WHERE holder = @holder ORDER BY element",
} as const;

type CallCountRow = { readonly element: number; readonly calls: number };

/** How many calls were counted by each element of a grant, of a step's or of a credential's. */
export function callsCounted(db: Pick<Connection, "all">, holder: string): CallCounts {
  return new Map(db.all<CallCountRow>(CALL.countsOf, { holder }).map(({ element, calls }) => [element, calls]));
}
