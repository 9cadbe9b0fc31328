import process from "node:process";

/**
 * How much of a fault there is: a little where a run of all tests has time for no more, all of it with `STINT_FAULTS=full`, which
 * `make faults` sets.
 *
 * @param variable - of the environment; another amount for this one alone.
 */
export function amountOf(variable: string, { quick, full }: { readonly quick: number; readonly full: number }): number {
  const own = process.env[variable];
  if (own !== undefined) return Number(own);
  return process.env["STINT_FAULTS"] === "full" ? full : quick;
}
