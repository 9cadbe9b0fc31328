import { type Owner, ownerOf } from "../domain/owner.ts";
import { addsTo, type FactScope, factScopesOf, grantsOf, isOfRun, type ScopeFacts } from "../domain/run-facts.ts";
import { isClosed, permits, type Step } from "../domain/step.ts";
import { createTally } from "../domain/tally.ts";
import type { RecordedWorld, StandingAttempt, StepReads } from "../ports/ledger-reads.ts";
import type { StepChange } from "./open-steps.ts";

/** What an opening looks at before it is decided. */
export type RunReads = Pick<StepReads, "runOwner" | "standingAttempts" | "world">;

/** `RunReads` from memory, as far as that goes, and otherwise from the ledger. */
export type KeptRuns = RunReads & {
  /** Takes what the event of this sequence makes of a step. */
  take(change: StepChange, sequence: number): void;
  /** Takes a change of any risk. */
  riskSet(): void;
};

export type KeptRunsPorts = {
  readonly reads: RunReads;
  /** The sequence up to which `take` was told of everything. */
  readonly position: () => number;
  /** Whether that is all that the ledger has, as far as anybody here knows. */
  readonly isCurrent: () => boolean;
};

/** Of names of steps, in all runs together: a few MiB. What is not kept is read. */
const NAMES_MAX = 32_768;
const RUNS_MAX = 8_192;
const BOUNDS = { namesMax: NAMES_MAX, runsMax: RUNS_MAX };

/** A run of which no step was there when it was first asked for: all of its steps are known. */
type Run = { owner: Owner | undefined; readonly steps: Map<string, readonly StandingAttempt[]> };

/** What surrounds the steps of a run that has to do with no other run, and with no principal. */
type Lone = { readonly key: string; readonly facts: ScopeFacts; readonly world: RecordedWorld };

/**
 * Keeps of runs what their next opening looks at, so that it need not read the database on the event loop. Only what is simple
 * is kept: runs that began under these eyes, and what is known of a run that nothing connects with another. All that is told is
 * as the ledger was at its newest event, as a read would tell it.
 *
 * @param open - the steps that are open to begin with.
 */
export function createKeptRuns(
  open: readonly Step[],
  { reads, position, isCurrent }: KeptRunsPorts,
  { namesMax, runsMax } = BOUNDS,
): KeptRuns {
  const runs = new Map<string, Run>();
  const lones = new Map<FactScope, Lone>();
  /** How many open steps connect each run with others. */
  const connecting = createTally();
  let names = 0;
  for (const step of open) if (permits(step.state)) connect(step, 1);

  function connect(step: Step, by: 1 | -1): void {
    if (factScopesOf(step).filter(isOfRun).length < 2) return;
    if (by > 0) connecting.add(step.runId);
    else connecting.remove(step.runId);
  }

  function forget(runId: string): void {
    names -= runs.get(runId)?.steps.size ?? 0;
    runs.delete(runId);
  }

  /** The run that was asked for longest ago goes first. */
  function makeRoom(): void {
    for (const runId of runs.keys()) {
      if (runs.size <= runsMax && names <= namesMax) return;
      forget(runId);
    }
  }

  function runOf(runId: string): Run | undefined {
    const run = runs.get(runId);
    if (run === undefined) return undefined;
    runs.delete(runId);
    runs.set(runId, run);
    return run;
  }

  function putAttempt(step: Step): void {
    const { runId, step: name, stepId, attempt, state } = step;
    const run = runs.get(runId);
    if (run === undefined) return;
    run.owner ??= ownerOf(step);
    const before = run.steps.get(name);
    if (before === undefined) names += 1;
    const others = (before ?? []).filter((one) => one.stepId !== stepId);
    const all = [{ stepId, attempt, state }, ...others].sort((a, b) => b.attempt - a.attempt);
    run.steps.set(
      name,
      all.filter((one, index) => index === 0 || !isClosed(one.state)),
    );
    makeRoom();
  }

  /** Counts an open step in or out. */
  function count(step: Step, by: 1 | -1, sequence: number): void {
    const scopes = factScopesOf(step);
    const [scope] = scopes;
    // What such a step does to others is the ledger's to tell.
    if (scopes.length > 1 || (by > 0 && connecting.of(step.runId) > 0)) lones.clear();
    connect(step, by);
    const lone = scope === undefined ? undefined : lones.get(scope);
    // What was read may hold more than what was told.
    if (scope === undefined || lone === undefined || lone.world.through >= sequence) return;
    if (by > 0 && addsTo(lone.facts, union(lone.facts, step))) lones.delete(scope);
    else lones.set(scope, counted(lone, by));
  }

  return {
    async runOwner(runId) {
      const run = isCurrent() ? runOf(runId) : undefined;
      if (run !== undefined) return run.owner;
      const [wasCurrent, before] = [isCurrent(), position()];
      const owner = await reads.runOwner(runId);
      if (owner === undefined && wasCurrent && position() === before && !runs.has(runId)) {
        runs.set(runId, { owner, steps: new Map() });
        makeRoom();
      }
      return owner;
    },
    async standingAttempts(runId, step) {
      const run = isCurrent() ? runOf(runId) : undefined;
      return run === undefined ? reads.standingAttempts(runId, step) : (run.steps.get(step) ?? []);
    },
    async world(scopes, risks, ratchet) {
      const [scope, ...others] = scopes;
      if (scope === undefined || others.length > 0 || !isOfRun(scope)) return reads.world(scopes, risks, ratchet);
      const key = JSON.stringify([risks, ratchet]);
      const lone = lones.get(scope);
      if (lone?.key === key && isCurrent()) return { ...lone.world, through: position() };
      const world = await reads.world(scopes, risks, ratchet);
      const facts = loneFacts(world);
      if (facts === undefined || world.through < position()) return world;
      lones.delete(scope);
      lones.set(scope, { key, facts, world });
      const [oldest] = lones.keys();
      if (lones.size > runsMax && oldest !== undefined) lones.delete(oldest);
      return world;
    },
    take({ kind, step }, sequence) {
      if (kind === "opened" || kind === "pending" || kind === "approved" || kind === "closed") putAttempt(step);
      if (kind === "opened" || kind === "approved") count(step, 1, sequence);
      // One that waited for approval in vain was never counted.
      if (kind === "closed" && (step.approval === undefined || step.approval.answer?.approved === true)) {
        count(step, -1, sequence);
      }
    },
    riskSet: () => lones.clear(),
  };
}

/** The facts of a run alone, where that is all that the world is made of. */
function loneFacts({ countsIn, facts: [facts, ...others] }: RecordedWorld): ScopeFacts | undefined {
  const isLone = countsIn.length === 1 && others.length === 0 && (facts?.principals ?? []).length === 0;
  return isLone && facts?.scope === countsIn[0] ? facts : undefined;
}

function union(facts: ScopeFacts, { grant }: Step) {
  const { classes, actions } = grantsOf(grant);
  return {
    classes: [...new Set([...facts.classes, ...classes])],
    actions: [...new Set([...facts.actions, ...actions])],
  };
}

function counted({ key, facts: before, world }: Lone, by: 1 | -1): Lone {
  const counts = { stepsOpen: before.stepsOpen + by, steps: before.steps + Math.max(0, by) };
  const facts = { ...before, ...counts };
  return { key, facts, world: { ...world, facts: [facts], together: counts } };
}
