import process from "node:process";

/** What the benchmark's processes agree on. */
const AUDIENCES: readonly string[] = Array.from(
  { length: 16 },
  (_, index) => `https://tool-${index}.bench.example/mcp`,
);
export const AUDIENCE = AUDIENCES[0] ?? "";

const ELEMENT = { type: "mcp_tool", identifier: "search", actions: ["read"], datatypes: ["internal"] };
export const GRANT = { elements: [{ ...ELEMENT, locations: [AUDIENCE] }] };

/** One user plays every part: what is measured is the broker, not the separation of users. */
export function entriesOf(uid = process.getuid?.() ?? 0): readonly object[] {
  const selectors = [`unix:uid:${uid}`];
  const ceiling = [{ ...ELEMENT, locations: AUDIENCES }];
  return [
    { kind: "agent", name: "bench", selectors, ceiling, allow_any_executor: true },
    { kind: "runtime", name: "bench", selectors, agents: ["bench"], open_steps_max: 1_000_000 },
    { kind: "verifier", name: "bench", selectors, audiences: AUDIENCES },
  ];
}

/** Agents that nobody is: what a large site has besides those who call. */
export function strangers(count: number): readonly object[] {
  return Array.from({ length: count }, (_, index) => ({
    kind: "agent",
    name: `stranger-${index}`,
    selectors: [`unix:uid:${1_000_000 + index}`],
    ceiling: [{ ...ELEMENT, locations: [AUDIENCE] }],
  }));
}

/** The value below which this share of the sorted values lies. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
