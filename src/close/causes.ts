import { type RiskScope, riskScopesOf } from "../domain/risk.ts";
import { factScopesOf } from "../domain/run-facts.ts";
import type { Step } from "../domain/step.ts";

/** What changed. It concerns all open steps, or those around which the risk is, or those of a registration entry. */
export type CauseKey = "policies" | "federation" | "start" | RiskScope | `entry:${string}`;

/** A change on which open steps have to be judged anew. */
export type Cause = {
  readonly key: CauseKey;
  /** Of the event that says so. */
  readonly sequence: number;
  /** A rise of risk: nothing is issued for a step that waits for it, so that such steps come first. */
  readonly isRise?: true;
  /** No event says what changed (a lapse, a restart), so that what was judged at this very sequence is judged too. */
  readonly isUnrecorded?: true;
  /** Absent: every step that the key names. */
  readonly only?: ReadonlySet<string>;
};

/** What judging has come to so far; steps that were closed with another step count too. */
export type JudgedSoFar = { readonly stepsJudged: number; readonly stepsClosed: number; readonly isSettled: boolean };

/** A step with all that it has to be judged for. */
export type Due = { readonly step: Step; readonly causes: readonly Cause[] };

/** Open steps that have to be judged. There may be so many that they are looked at in several turns. */
export type DueSteps = {
  /** Whether none of the steps that were looked at is due for this very change; not for one that came since. */
  isSettled(cause: Cause): boolean;
  look(steps: readonly Step[]): void;
  /** First those for which the risk rose, then those of the newest change. */
  inOrder(): readonly Due[];
};

/** The changes that open steps may not have been judged on yet. */
export type Causes = {
  /** A later change of the same key takes the place of the earlier one, whose steps it concerns too. */
  add(cause: Cause): void;
  isEmpty(): boolean;
  /** Begins to look for the steps that have to be judged for the changes there are now. */
  lookForDue(): DueSteps;
  /** Notes that these steps were judged, and how many steps that closed. */
  judged(due: readonly Due[], stepsClosed: number): void;
  /** Drops the changes up to a sequence that none of the steps that were found due is due for. */
  settle(through: number, due: DueSteps): void;
  /** What judging came to for a change, once that has settled or `waited` resolves. */
  outcome(key: CauseKey, sequence: number, waited: Promise<void>): Promise<JudgedSoFar>;
};

type Kept = {
  cause: Cause;
  /** The cause's own, where it has some: they may become more. */
  only: Set<string> | undefined;
  /** Ids of steps that were judged on the newest change. */
  readonly done: Set<string>;
  stepsJudged: number;
  stepsClosed: number;
  isSettled: boolean;
  readonly settled: PromiseWithResolvers<void>;
};

export function createCauses(): Causes {
  const kept = new Map<CauseKey, Kept>();

  return {
    add(cause) {
      const before = kept.get(cause.key);
      if (before === undefined) {
        const only = cause.only && new Set(cause.only);
        const counts = { stepsJudged: 0, stepsClosed: 0, isSettled: false };
        const settled = Promise.withResolvers<void>();
        kept.set(cause.key, { cause: concerning(cause, only), only, done: new Set(), ...counts, settled });
        return;
      }
      before.only = onlyOf(before, cause);
      const next = concerning(cause, before.only);
      before.cause = before.cause.isRise === true ? { ...next, isRise: true } : next;
      before.done.clear();
    },
    isEmpty: () => kept.size === 0,
    lookForDue: () => dueFor(new Map([...kept].map(([key, { cause, done }]) => [key, { cause, done }]))),
    judged(due, stepsClosed) {
      const concerned = new Set<Kept>();
      for (const { step, causes } of due) {
        for (const cause of causes) {
          const one = kept.get(cause.key);
          // What changed once more meanwhile has the step judged once more.
          if (one === undefined || one.cause !== cause) continue;
          one.done.add(step.stepId);
          one.stepsJudged += 1;
          concerned.add(one);
        }
      }
      for (const one of concerned) one.stepsClosed += stepsClosed;
    },
    settle(through, due) {
      for (const [key, one] of kept) {
        if (one.cause.sequence > through || !due.isSettled(one.cause)) continue;
        kept.delete(key);
        one.isSettled = true;
        one.settled.resolve();
      }
    },
    async outcome(key, sequence, waited) {
      const one = kept.get(key);
      // A change that has settled at once concerned nobody.
      if (one === undefined || one.cause.sequence < sequence)
        return { stepsJudged: 0, stepsClosed: 0, isSettled: true };
      await Promise.race([one.settled.promise, waited]);
      const { stepsJudged, stepsClosed, isSettled } = one;
      return { stepsJudged, stepsClosed, isSettled };
    },
  };
}

/** The steps that wait still, and those that are named now: in one set that grows, since they may come by the thousand, one by one. */
function onlyOf({ only, done }: Kept, { only: named }: Cause): Set<string> | undefined {
  if (named === undefined || only === undefined) return undefined;
  for (const stepId of done) only.delete(stepId);
  for (const stepId of named) only.add(stepId);
  return only;
}

function concerning({ only: _, ...cause }: Cause, only: ReadonlySet<string> | undefined): Cause {
  return only === undefined ? cause : { ...cause, only };
}

function dueFor(changes: ReadonlyMap<CauseKey, Pick<Kept, "cause" | "done">>): DueSteps {
  const known = new Set([...changes.values()].map(({ cause }) => cause));
  const unsettled = new Set<Cause>();
  const byUrgency = new Map<number, Due[]>();

  function causesOf(step: Step): readonly Cause[] {
    const found: Cause[] = [];
    for (const key of keysOf(step)) {
      const one = changes.get(key);
      if (one !== undefined && isDue(step, one)) found.push(one.cause);
    }
    return found;
  }

  return {
    isSettled: (cause) => known.has(cause) && !unsettled.has(cause),
    look(steps) {
      for (const step of steps) {
        const causes = causesOf(step);
        if (causes.length === 0) continue;
        for (const cause of causes) unsettled.add(cause);
        const urgency = urgencyOf(causes);
        const alike = byUrgency.get(urgency);
        if (alike === undefined) byUrgency.set(urgency, [{ step, causes }]);
        else alike.push({ step, causes });
      }
    },
    inOrder: () => [...byUrgency].sort(([a], [b]) => b - a).flatMap(([, due]) => due),
  };
}

function keysOf(step: Step): readonly CauseKey[] {
  const ofEntries = [`entry:${step.agentEntryId}`, `entry:${step.openerEntryId}`] as const;
  return [...riskScopesOf(step.agent, factScopesOf(step)), "policies", "federation", "start", ...new Set(ofEntries)];
}

function isDue(step: Step, { cause, done }: Pick<Kept, "cause" | "done">): boolean {
  const { only } = cause;
  return isBehind(step, cause) && !done.has(step.stepId) && (only === undefined || only.has(step.stepId));
}

/** Whether nothing that was decided of a step takes account of a change. */
export function isBehind(
  { judgedSequence, openedSequence }: Pick<Step, "judgedSequence" | "openedSequence">,
  { sequence, isUnrecorded }: Pick<Cause, "sequence" | "isUnrecorded">,
): boolean {
  const judgedThrough = judgedSequence ?? openedSequence;
  return judgedThrough < sequence || (isUnrecorded === true && judgedThrough === sequence);
}

/** A rise of risk comes before all that is none, and the newest change first. */
function urgencyOf(causes: readonly Cause[]): number {
  let [newest, ofRise] = [0, 0];
  for (const { sequence, isRise } of causes) {
    newest = Math.max(newest, sequence);
    if (isRise === true) ofRise = RISE;
  }
  return ofRise + newest;
}

/** More than any sequence, and few enough for the sum to be exact. */
const RISE = 2 ** 52;
