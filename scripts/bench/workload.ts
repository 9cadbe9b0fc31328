import process from "node:process";
import { Entries } from "../../src/gen/stint/v1/entries_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";

export const TRUST_DOMAIN = "bench.example";

/** What the benchmark's processes agree on. */
const AUDIENCES: readonly string[] = Array.from(
  { length: 16 },
  (_, index) => `https://tool-${index}.bench.example/mcp`,
);
export const AUDIENCE = AUDIENCES[0] ?? "";

const ELEMENT = { type: "mcp_tool", identifier: "search", actions: ["read"], datatypes: ["internal"] };
export const GRANT = { elements: [{ ...ELEMENT, locations: [AUDIENCE] }] };
/** One server and two actions. */
export const GRANT_OF_TWO = { elements: [{ ...ELEMENT, locations: [AUDIENCE], actions: ["read", "write"] }] };

/** One user plays every part: what is measured is the broker, not the separation of users. */
export function entriesOf(uid = process.getuid?.() ?? 0): readonly object[] {
  const selectors = [`unix:uid:${uid}`];
  const ceiling = [{ ...ELEMENT, locations: AUDIENCES, actions: ["read", "write"] }];
  return [
    { kind: "agent", name: "bench", selectors, ceiling, allow_any_executor: true },
    { kind: "runtime", name: "bench", selectors, agents: ["bench"], open_steps_max: 1_000_000 },
    { kind: "verifier", name: "bench", selectors, audiences: AUDIENCES },
  ];
}

/** Open at once, and closed by one revocation: what an agent has that was let loose, or a site that takes an agent back. */
export const BULK_STEPS = 10_000;

/** Registers agents that nobody is: what a large site has besides those who call. */
export async function registerStrangers(operatorSocket: string, count: number): Promise<void> {
  const channel = openChannel(operatorSocket);
  const entries = createClient(Entries, channel);
  const register = (index: number) =>
    entries.create({
      content: {
        name: `stranger-${index}`,
        selectors: [`unix:uid:${1_000_000 + index}`],
        kind: { case: "agent", value: { ceiling: GRANT } },
      },
    });
  const AT_ONCE = 256;
  for (let from = 0; from < count; from += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, index) => register(from + index)));
  }
  channel.close();
}

/** The value below which this share of the sorted values lies. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
