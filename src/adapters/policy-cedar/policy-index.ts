import type { CompiledPolicy } from "./compile-policy.ts";

/** What tells which policies can concern a question. `tool` is absent for a question that is not about a tool. */
export type Concern = { readonly action: string; readonly agent: string; readonly tool?: string };

export type PolicyIndex = {
  /** Positions, ascending, of the policies that can concern a question. All others can neither match nor fail. */
  concerning(concern: Concern): readonly number[];
};

type ByName = ReadonlyMap<string, readonly number[]>;
/** Positions by what a policy names: an agent, or else a tool, or neither. */
type OfAction = { readonly byAgent: ByName; readonly byTool: ByName; readonly others: readonly number[] };

/** For any tool, every policy of the agent counts that could be about some tool. */
const ANY_TOOL = "*";

export function indexPolicies(policies: readonly CompiledPolicy[]): PolicyIndex {
  const named = new Set(policies.flatMap(({ actions }) => actions ?? []));
  const byAction = new Map([...named].map((action) => [action, indexAction(policies, action)]));
  const forOthers = indexAction(policies, undefined);
  return {
    concerning({ action, agent, tool }) {
      const { byAgent, byTool, others } = byAction.get(action) ?? forOthers;
      const ofTool =
        tool === undefined ? [] : tool === ANY_TOOL ? [...byTool.values()].flat() : (byTool.get(tool) ?? []);
      const ofAgent = byAgent.get(agent) ?? [];
      if (ofTool.length === 0 && ofAgent.length === 0) return others;
      const fits = (position: number): boolean => {
        const tools = policies[position]?.tools;
        return tools === undefined || tool === ANY_TOOL || (tool !== undefined && tools.includes(tool));
      };
      return [...new Set([...others, ...ofAgent.filter(fits), ...ofTool])].sort((a, b) => a - b);
    },
  };
}

function indexAction(policies: readonly CompiledPolicy[], action: string | undefined): OfAction {
  const byAgent = new Map<string, number[]>();
  const byTool = new Map<string, number[]>();
  const others: number[] = [];
  for (const [position, { actions, agents, tools }] of policies.entries()) {
    if (actions !== undefined && (action === undefined || !actions.includes(action))) continue;
    if (agents !== undefined) add(byAgent, agents, position);
    else if (tools !== undefined) add(byTool, tools, position);
    else others.push(position);
  }
  return { byAgent, byTool, others };
}

function add(to: Map<string, number[]>, names: readonly string[], position: number): void {
  for (const name of new Set(names)) {
    const there = to.get(name);
    if (there === undefined) to.set(name, [position]);
    else there.push(position);
  }
}
