import { Effect } from "../../gen/stint/v1/history_pb.js";
import type { PolicyFlip } from "../../gen/stint/v1/policies_pb.js";

/** How many decisions would take a tool from an agent, or give it. */
export type FlipCount = {
  readonly agent: string;
  readonly tool: string;
  readonly lost: number;
  readonly gained: number;
};

export type FlipCounts = { add(flip: PolicyFlip): void; rows(): readonly FlipCount[] };

/** Counts flips by agent and tool; a flip without a tool counts under an empty name. */
export function createFlipCounts(): FlipCounts {
  const counts = new Map<string, FlipCount>();

  function count(agent: string, tool: string, change: "lost" | "gained"): void {
    const key = JSON.stringify([agent, tool]);
    const known = counts.get(key) ?? { agent, tool, lost: 0, gained: 0 };
    counts.set(key, { ...known, [change]: known[change] + 1 });
  }

  return {
    add({ decision, gained, lost, effect }) {
      const agent = decision?.agent ?? "";
      const tools = (grant: PolicyFlip["gained"]) =>
        new Set((grant?.elements ?? []).map(({ identifier }) => identifier));
      const [won, taken] = [tools(gained), tools(lost)];
      for (const tool of taken) count(agent, tool, "lost");
      for (const tool of won) count(agent, tool, "gained");
      if (won.size + taken.size === 0) count(agent, "", effect === Effect.DENY ? "lost" : "gained");
    },
    rows: () => [...counts.values()].sort((a, b) => compare(a.agent, b.agent) || compare(a.tool, b.tool)),
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
