import { isDeepStrictEqual } from "node:util";
import { grantUseOfSteps } from "../../src/audit/grant-use.ts";
import type { Action } from "../../src/domain/grant.ts";
import { PLACES, VERIFIER } from "./cast.ts";
import { note, promise } from "./model-history.ts";
import { usageKey } from "./model-usage.ts";
import { type SentReport, sendReport } from "./reporters.ts";
import type { World } from "./world.ts";

const ALL = 10_000;

/** The tables say of usage what the events say. */
export async function checkUsage({ ground, model }: World): Promise<void> {
  const { reported, gaps } = model.usage;
  const rows = await ground.store.history.usage({ limit: ALL });
  promise(rows.length === reported.size, "every kind of call that was reported is in the tables");
  const entryIds = new Map([...reported.values()].map(({ entryId }) => [entryId, gaps.get(entryId)]));
  for (const { calls, gap, ...row } of rows) {
    const known = [...entryIds].find(([entryId]) => reported.has(usageKey(entryId, row)));
    const [entryId = "", left] = known ?? [];
    promise(reported.get(usageKey(entryId, row))?.calls === calls, "as often as the events say");
    promise(gap === left, "and with what was left out");
  }
}

/** What was reported is on record once, and beside what was granted. */
export async function checkUsageInTheEnd(world: World): Promise<void> {
  const { model, reports, lives, kernel, isOver } = world;
  const verifier = kernel.start(21);
  const refused = reports.filter((report) => report.lives.get(lives) === "refused");
  // What could not be recorded, or came from nobody who may report, is taken when it is sent again.
  await world.answered(Promise.all(refused.map((report) => sendReport(world, verifier, report))));
  await world.rest();
  await checkGrantUse(world);
  const [sure, possible] = [new Map<string, number>(), new Map<string, number>()];
  const add = (to: Map<string, number>, key: string, calls: number) => void to.set(key, (to.get(key) ?? 0) + calls);
  for (const report of reports) {
    for (const [key, calls] of saidBy(report, world)) add(possible, key, calls * report.unanswered);
    for (const [life, became] of report.lives) {
      promise(became !== "open" || isOver(life), "whoever reports is answered");
      if (became === "refused") continue;
      for (const [key, calls] of saidBy(report, world)) {
        // Whoever reports to a broker that is killed is told nothing, and may be on record.
        add(possible, key, calls);
        if (became === "recorded") add(sure, key, calls);
      }
    }
  }
  const recorded = new Map<string, number>(model.usage.gaps);
  for (const usage of model.usage.reported.values()) recorded.set(usageKey(usage.entryId, usage), usage.calls);
  for (const key of new Set([...possible.keys(), ...recorded.keys()])) {
    const [least, most, calls] = [sure.get(key) ?? 0, possible.get(key) ?? 0, recorded.get(key) ?? 0];
    promise(least <= calls && calls <= most, `a report counts once: ${calls}, not ${least} to ${most}`);
  }
}

/** What a report adds where it counts: by `usageKey`, and by its verifier what was left out. */
function saidBy({ usages, gap }: SentReport, { model }: World): readonly (readonly [string, number])[] {
  const verifier = [...model.entries.values()].find(({ content: { name } }) => name === VERIFIER);
  promise(verifier !== undefined, "the verifier is registered");
  const { entryId } = verifier;
  const places: readonly string[] = PLACES;
  const known = usages.flatMap(({ jti, tool, action, outcome = "served", calls }) => {
    const one = [...model.credentials.values()].find(({ record }) => record.jti === jti);
    if (one === undefined || !one.record.audiences.some((audience) => places.includes(audience))) {
      note(model, "reported of nobody's");
      return [];
    }
    const usage = { stepId: one.stepId, tool, action: action as Action, outcome };
    return [[usageKey(entryId, usage), calls] as const];
  });
  return gap === 0 ? known : [...known, [entryId, gap]];
}

/** What operators are told of steps' grants and of their use follows from the events. */
async function checkGrantUse({ ground, model }: World): Promise<void> {
  const { uses } = await grantUseOfSteps({ limit: ALL }, ground.store.history);
  const told = uses.map(({ step, tool, grantedActions, usedActions, calls, callsInVain }) => ({
    ...{ stepId: step?.stepId ?? "", tool, grantedActions, usedActions, calls, callsInVain },
  }));
  const all = [...model.usage.reported.values()];
  const known = [...model.steps.values()].flatMap(({ step: { stepId, grant } }) => {
    const own = all.filter((usage) => usage.stepId === stepId);
    const tools = new Set([...grant.map(({ identifier }) => identifier), ...own.map(({ tool }) => tool)]);
    return [...tools].map((tool) => {
      const [served, vain] = [true, false].map((isServed) =>
        own.filter((usage) => usage.tool === tool && (usage.outcome === "served") === isServed),
      );
      const granted = grant.flatMap(({ identifier, actions }) => (identifier === tool ? actions : []));
      const used = (served ?? []).map(({ action }) => action);
      const count = (of: typeof served) => (of ?? []).reduce((sum, { calls }) => sum + calls, 0);
      return {
        ...{ stepId, tool, grantedActions: sorted(granted), usedActions: sorted(used) },
        ...{ calls: count(served), callsInVain: count(vain) },
      };
    });
  });
  const byName = <One extends { readonly stepId: string; readonly tool: string }>(list: readonly One[]) =>
    list.toSorted((a, b) => (`${a.stepId} ${a.tool}` < `${b.stepId} ${b.tool}` ? -1 : 1));
  promise(isDeepStrictEqual(byName(told), byName(known)), "what was granted and what was used follow from the events");
}

function sorted(actions: readonly Action[]): readonly Action[] {
  return [...new Set(actions)].toSorted();
}
