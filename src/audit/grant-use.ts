import { BrokerError } from "../domain/errors.ts";
import type { Action } from "../domain/grant.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Step } from "../domain/step.ts";
import type { HistoryFilter, HistoryReads, UsageRow } from "../ports/ledger-reads.ts";
import { everyUsage } from "./every-usage.ts";
import { historyPage } from "./history-page.ts";

/** One tool of one step, or of all steps of one agent: what was granted of it beside what was reported of it. */
export type GrantUse = {
  readonly agent: string;
  /** Absent where it is of the agent. */
  readonly step?: Step;
  readonly tool: string;
  /** None for what was called without a grant that names the tool. */
  readonly grantedActions: readonly Action[];
  readonly usedActions: readonly Action[];
  readonly calls: number;
  /** Reported as refused, failed or stopped. */
  readonly callsInVain: number;
  readonly stepsGranted: number;
  readonly stepsUsed: number;
};

type Kept = {
  readonly granted: Set<Action>;
  readonly used: Set<Action>;
  readonly grantedTo: Set<string>;
  readonly usedBy: Set<string>;
  calls: number;
  callsInVain: number;
};

type Reads = Pick<HistoryReads, "steps" | "usage" | "span">;

/** Of each step of a page, by tool. `next` is where the next page of steps begins. */
export async function grantUseOfSteps(
  filter: HistoryFilter,
  history: Reads,
): Promise<{ readonly uses: readonly GrantUse[]; readonly next?: number; readonly through: number }> {
  const { rows, ...place } = await historyPage("steps", filter, history.steps, (step) => step.openedSequence, history);
  const usage = await usageOf(rows, history);
  const uses = rows.flatMap((step) => {
    const tools = new Map<string, Kept>();
    put(tools, step, usage.get(step.stepId) ?? []);
    return usesOf(tools, { agent: step.agent, step });
  });
  return { uses, ...place };
}

/**
 * Of each agent, in all steps that pass the filter.
 *
 * @throws BrokerError LIMIT_EXCEEDED for more than `LIMITS.causedStepsMax` steps
 */
export async function grantUseOfAgents(filter: HistoryFilter, history: Reads): Promise<readonly GrantUse[]> {
  const agents = new Map<string, Map<string, Kept>>();
  let count = 0;
  for (let before = filter.before; ; ) {
    const asked = { ...filter, limit: LIMITS.pageSizeMax, ...(before === undefined ? {} : { before }) };
    const page = await historyPage("steps", asked, history.steps, (step) => step.openedSequence, history);
    count += page.rows.length;
    if (count > LIMITS.causedStepsMax) {
      throw new BrokerError("LIMIT_EXCEEDED", `more than ${LIMITS.causedStepsMax} steps: narrow the filter`);
    }
    const usage = await usageOf(page.rows, history);
    for (const step of page.rows) {
      const tools = agents.get(step.agent) ?? new Map<string, Kept>();
      agents.set(step.agent, tools);
      put(tools, step, usage.get(step.stepId) ?? []);
    }
    if (page.next === undefined) break;
    before = page.next;
  }
  const sorted = [...agents].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return sorted.flatMap(([agent, tools]) => usesOf(tools, { agent }));
}

async function usageOf(steps: readonly Step[], history: Reads): Promise<ReadonlyMap<string, readonly UsageRow[]>> {
  if (steps.length === 0) return new Map();
  const terms = [{ field: "step_id", values: steps.map(({ stepId }) => stepId), isExcluded: false } as const];
  const rows: UsageRow[] = [];
  for await (const row of everyUsage({ terms }, history)) rows.push(row);
  return Map.groupBy(rows, ({ stepId }) => stepId);
}

function put(tools: Map<string, Kept>, { stepId, grant }: Step, usage: readonly UsageRow[]): void {
  const of = (tool: string) => {
    const none = { granted: new Set<Action>(), used: new Set<Action>(), grantedTo: new Set<string>() };
    const kept = tools.get(tool) ?? { ...none, usedBy: new Set<string>(), calls: 0, callsInVain: 0 };
    tools.set(tool, kept);
    return kept;
  };
  for (const { identifier, actions } of grant) {
    const kept = of(identifier);
    for (const action of actions) kept.granted.add(action);
    kept.grantedTo.add(stepId);
  }
  for (const { tool, action, outcome, calls } of usage) {
    const kept = of(tool);
    if (outcome !== "served") {
      kept.callsInVain += calls;
      continue;
    }
    kept.used.add(action);
    kept.usedBy.add(stepId);
    kept.calls += calls;
  }
}

function usesOf(tools: ReadonlyMap<string, Kept>, whose: Pick<GrantUse, "agent" | "step">): readonly GrantUse[] {
  const sorted = [...tools].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([tool, { granted, used, grantedTo, usedBy, calls, callsInVain }]) => ({
    ...whose,
    tool,
    grantedActions: [...granted].toSorted(),
    usedActions: [...used].toSorted(),
    calls,
    callsInVain,
    stepsGranted: grantedTo.size,
    stepsUsed: usedBy.size,
  }));
}
