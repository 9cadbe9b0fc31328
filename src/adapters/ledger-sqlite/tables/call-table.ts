export const CALL = {
  count: `
    INSERT INTO call_count (holder, element, calls) VALUES (@holder, @element, 1)
    ON CONFLICT (holder, element) DO UPDATE SET calls = call_count.calls + 1`,
  countsOf: "SELECT element, calls FROM call_count WHERE holder = @holder ORDER BY element",
} as const;

export type CallCountRow = { readonly element: number; readonly calls: number };
