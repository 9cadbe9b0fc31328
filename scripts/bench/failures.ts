import type { Loaded } from "./measurements.ts";

/** Says what went wrong in a load, once for each kind. */
export function sayFailures(say: (line: string) => void, what: string, loaded: readonly Loaded[]): void {
  const counts = new Map<string, number>();
  for (const { failures } of loaded) {
    for (const [text, count] of Object.entries(failures)) counts.set(text, (counts.get(text) ?? 0) + count);
  }
  for (const [text, count] of counts) say(`${what}: ${count} times: ${text}`);
}
