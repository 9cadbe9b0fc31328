import type { ExchangeOrder } from "../../ports/exchange-target.ts";

/**
 * A template with the names of a step in it, e.g. `reader-{agent}`. The names are SPIFFE path segments, none of them `.` or
 * `..`, so that none leaves its place in a path.
 */
export function filledIn(template: string, names: ExchangeOrder["names"]): string {
  return template.replaceAll(/\{(agent|run_id|step)\}/g, (_whole, name: keyof typeof names) => names[name]);
}
