import { type Descent, descentOf, mayDescend, type Party, type Place } from "../domain/descent.ts";
import { formatProcess, isRemote, type ProcessIdentity } from "../domain/process.ts";
import type { Step } from "../domain/step.ts";
import type { ProcessWatch } from "../ports/attestor.ts";
import type { Cancel } from "../ports/clock.ts";
import type { Kinship } from "../ports/kinship.ts";
import type { StepProcesses } from "../ports/step-processes.ts";
import { createProcessAges } from "./process-ages.ts";

export type StepProcessIndex = StepProcesses & {
  /** Takes up a step that is open: who opened it counts for as long as that process lives. */
  opened(step: Step): void;
  /** Takes up a process that opened a step at some time. */
  opener(process: ProcessIdentity): void;
  /** Takes up a process that was enrolled: it counts as apart for as long as it lives. */
  enrolled(process: ProcessIdentity): void;
  /** Who executed it counts no longer. */
  closed(step: Step): void;
  /** Ends the watch over all of them. */
  end(): void;
};

export type StepProcessesPorts = {
  readonly processes: Pick<ProcessWatch, "watch">;
  readonly kinship: Pick<Kinship, "lineageOf" | "placeOf" | "alive">;
};

/** `parts`: how many open steps it executes, and how many it holds. */
type Known = Party & {
  hasOpened: boolean;
  parts: number;
  /** Whether it was found to descend from none of the others. That stays so, whatever becomes of its parents. */
  isApart: boolean;
  readonly unwatch: Cancel;
};

const NONE: Descent = { kind: "none" };

/** Keeps the live processes that have a part in steps, each for as long as it lives or has its part. */
export function createStepProcesses({ processes, kinship }: StepProcessesPorts): StepProcessIndex {
  const known = new Map<string, Known>();
  /** The same. Of these, only who is as young as another can descend from that one. */
  const ages = createProcessAges<Known>();
  const enrolled = new Map<string, Cancel>();

  function knownOf(process: ProcessIdentity): Known {
    const key = formatProcess(process);
    const there = known.get(key);
    if (there !== undefined) return there;
    for (const other of ages.since(process.startTimeTicks)) {
      if (mayDescend(other.process, process)) other.isApart = false;
    }
    const unwatch = processes.watch(process, () => drop(key));
    let place: Place | undefined;
    const one: Known = {
      process,
      // Of a process on another machine that is known once its node tells of it.
      get place() {
        place ??= kinship.placeOf(process);
        return place ?? {};
      },
      hasOpened: false,
      parts: 0,
      isApart: false,
      unwatch,
    };
    // While the process is there to be looked at.
    place = kinship.placeOf(process);
    known.set(key, one);
    ages.put(one);
    return one;
  }

  function drop(key: string): void {
    const one = known.get(key);
    if (one === undefined) return;
    known.delete(key);
    ages.remove(one);
  }

  function takePart(process: ProcessIdentity): void {
    if (!isRemote(process)) knownOf(process).parts += 1;
  }

  function leavePart(process: ProcessIdentity): void {
    const one = known.get(formatProcess(process));
    if (one === undefined) return;
    one.parts -= 1;
    if (one.parts > 0 || one.hasOpened) return;
    one.unwatch();
    drop(formatProcess(process));
  }

  function opener(process: ProcessIdentity): void {
    if (!isRemote(process)) knownOf(process).hasOpened = true;
  }

  return {
    opener,
    enrolled(process) {
      const key = formatProcess(process);
      if (!enrolled.has(key))
        enrolled.set(
          key,
          processes.watch(process, () => void enrolled.delete(key)),
        );
    },
    opened({ opener: process, executor }) {
      opener(process);
      if (executor.kind !== "any") takePart(executor.process);
    },
    closed({ executor }) {
      if (executor.kind !== "any") leavePart(executor.process);
    },
    descentOf(process) {
      const own = known.get(formatProcess(process));
      if (own?.isApart === true || enrolled.has(formatProcess(process))) return NONE;
      if (known.size === (own === undefined ? 0 : 1)) return NONE;
      const isKnown = (one: ProcessIdentity) => known.has(formatProcess(one));
      const descent = descentOf(kinship.lineageOf(process), isKnown, () => known.values());
      if (own !== undefined) own.isApart = descent.kind === "none";
      return descent;
    },
    holds(process) {
      takePart(process);
      let isOver = false;
      return () => {
        if (!isOver) leavePart(process);
        isOver = true;
      };
    },
    end() {
      for (const { unwatch } of known.values()) unwatch();
      known.clear();
      ages.clear();
      for (const unwatch of enrolled.values()) unwatch();
      enrolled.clear();
    },
  };
}
