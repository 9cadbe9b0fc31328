import type { Actor } from "../domain/ledger-event.ts";
import { LIMITS } from "../domain/limits.ts";
import { permits, REASON_OF_STATE, type Step } from "../domain/step.ts";
import { microsOf, type UnixMicros } from "../domain/time.ts";
import type { ProcessWatch } from "../ports/attestor.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { StepDirectory } from "../ports/directories.ts";
import type { ExecutorSteps } from "../ports/executor-steps.ts";
import type { CloseAct, CloseResult, Ledger } from "../ports/ledger.ts";
import type { StepReads } from "../ports/ledger-reads.ts";
import { createExecutorIndex } from "./executor-index.ts";

/** Ends what ends by itself: expiry, lease, hold, and the executor's process. */
export type Lifetimes = StepDirectory &
  ExecutorSteps & {
    /** Closes what lapsed while the broker was down, and takes up every step that is still open. */
    start(): Promise<void>;
    opened(step: Step): void;
    renewed(step: Step): void;
    /** Someone holds the step; the function returned says that it no longer does. The caller has recorded the hold. */
    hold(stepId: string): () => void;
    /** Steps were closed by whatever act: their timers end and those who follow them are told. */
    closed(result: CloseResult): void;
    /** Looks at every step again: for acts that do not say which steps they closed. */
    recheck(): Promise<void>;
    /** The clock was set, by so many seconds: what is over by the new time ends now, and nothing lasts longer than it was to. */
    clockChanged(bySeconds: number): void;
    /** Calls when the step is closed, or changed otherwise; ends with the returned function. */
    follow(stepId: string, changed: () => void): Cancel;
    stop(): void;
  };

type Tracked = { step: Step; holds: number; readonly timers: Map<Timer, Cancel>; readonly followers: Set<() => void> };
type Timer = "expiry" | "lease" | "hold" | "executor";

/** A close that could not be recorded is tried again: nothing may stay open only because the disk was in the way. */
const RETRY_MS = 1_000;
/**
 * A program that has just ended is closed by whoever waited for it, with its outcome; only what nobody closes is abandoned.
 * Meanwhile nothing can be issued: nobody is left who could be attested as the executor.
 */
const EXECUTOR_GRACE_MS = 500;
/** `CloseResult.stepIds` is cut here; a longer list means looking at all. */
const LISTED_STEPS_MAX = 1_000;

export function createLifetimes(ports: {
  readonly ledger: Ledger;
  readonly steps: StepReads;
  readonly processes: ProcessWatch;
  readonly clock: Clock;
  readonly failed: (error: unknown) => void;
}): Lifetimes {
  const tracked = new Map<string, Tracked>();
  const executors = createExecutorIndex();
  const { clock } = ports;

  /** @param due - the instant that the timer was set for. By then it is over, also when the clock was set back since. */
  function end(stepId: string, timer: Timer, due?: UnixMicros): void {
    const state = timer === "expiry" ? "EXPIRED" : "ABANDONED";
    const now = clock.now();
    const by: Actor = { kind: "broker", cause: timer };
    const at = Math.max(now, due ?? now) as UnixMicros;
    const onlyIf = timer === "expiry" ? { expiredAt: at } : timer === "lease" ? { leaseExpiredAt: at } : undefined;
    const act: CloseAct = {
      act: "close",
      target: { kind: "steps", stepIds: [stepId] },
      state,
      reason: REASON_OF_STATE[state],
      by,
      now,
      ...(onlyIf === undefined ? {} : { onlyIf }),
    };
    ports.ledger.perform(act).then(
      (result) => {
        if (result.kind === "closed") closed(result);
      },
      (thrown: unknown) => {
        ports.failed(thrown);
        if (isTakenUpAgain(stepId, timer, due)) return;
        set(
          stepId,
          timer,
          clock.schedule(RETRY_MS, () => end(stepId, timer, due)),
        );
      },
    );
  }

  /** Whether it was held or renewed while its end could not be recorded, and so has another timer by now, or needs none. */
  function isTakenUpAgain(stepId: string, timer: Timer, due: UnixMicros | undefined): boolean {
    const one = tracked.get(stepId);
    if (one === undefined) return true;
    return (timer === "hold" && one.holds > 0) || (timer === "lease" && one.step.leaseExpiresAt !== due);
  }

  function set(stepId: string, timer: Timer, cancel: Cancel | undefined): void {
    const one = tracked.get(stepId);
    if (one === undefined) {
      cancel?.();
      return;
    }
    one.timers.get(timer)?.();
    if (cancel === undefined) one.timers.delete(timer);
    else one.timers.set(timer, cancel);
  }

  const until = (instant: UnixMicros) => Math.max(0, Math.ceil((instant - clock.now()) / 1_000));

  function setLease(step: Step): void {
    if (step.leaseExpiresAt === undefined) return;
    const { leaseExpiresAt } = step;
    set(
      step.stepId,
      "lease",
      clock.schedule(until(leaseExpiresAt), () => end(step.stepId, "lease", leaseExpiresAt)),
    );
  }

  function setExpiry(step: Step): void {
    const expiresAt = microsOf(step.expiresAt);
    set(
      step.stepId,
      "expiry",
      clock.schedule(until(expiresAt), () => end(step.stepId, "expiry", expiresAt)),
    );
  }

  function opened(step: Step): void {
    if (tracked.has(step.stepId) || !permits(step.state)) return;
    tracked.set(step.stepId, { step, holds: 0, timers: new Map(), followers: new Set() });
    setExpiry(step);
    setLease(step);
    if (step.executor.kind === "process") {
      set(
        step.stepId,
        "executor",
        ports.processes.watch(step.executor.process, () => executorGone(step.stepId)),
      );
    }
    executors.put(step);
  }

  function executorGone(stepId: string): void {
    set(
      stepId,
      "executor",
      clock.schedule(EXECUTOR_GRACE_MS, () => end(stepId, "executor")),
    );
  }

  function forget(stepId: string): void {
    const one = tracked.get(stepId);
    if (one === undefined) return;
    tracked.delete(stepId);
    for (const cancel of one.timers.values()) cancel();
    for (const changed of one.followers) changed();
    executors.remove(one.step);
  }

  async function recheck(): Promise<void> {
    for (const stepId of [...tracked.keys()]) {
      const step = await ports.steps.step(stepId);
      if (step === undefined || !permits(step.state)) forget(stepId);
    }
  }

  function closed(result: CloseResult): void {
    for (const stepId of result.stepIds) forget(stepId);
    if (result.stepsClosed > LISTED_STEPS_MAX || result.stepsClosed > result.stepIds.length) {
      recheck().catch(ports.failed);
    }
  }

  return {
    // A close takes its steps out of here before it is answered.
    byId: async (stepId) => tracked.get(stepId)?.step ?? ports.steps.step(stepId),
    executedBy: executors.executedBy,
    followExecutor: executors.followExecutor,
    async start() {
      for (const step of await ports.steps.openSteps({})) {
        opened(step);
        if (!step.held) continue;
        set(
          step.stepId,
          "hold",
          clock.schedule(LIMITS.holdGraceAfterRestartMs, () => end(step.stepId, "hold")),
        );
      }
    },
    opened,
    renewed(step) {
      const one = tracked.get(step.stepId);
      if (one === undefined) return;
      one.step = step;
      executors.put(step);
      setLease(step);
      for (const changed of one.followers) changed();
    },
    hold(stepId) {
      const one = tracked.get(stepId);
      if (one === undefined) return () => undefined;
      one.holds += 1;
      set(stepId, "hold", undefined);
      let released = false;
      return () => {
        if (released) return;
        released = true;
        one.holds -= 1;
        if (one.holds > 0 || !tracked.has(stepId)) return;
        set(
          stepId,
          "hold",
          clock.schedule(LIMITS.holdGraceMs, () => end(stepId, "hold")),
        );
      };
    },
    closed,
    recheck,
    clockChanged(bySeconds) {
      // Set back, the timers that run keep to the time there was.
      if (bySeconds <= 0) return;
      for (const { step } of tracked.values()) {
        setExpiry(step);
        setLease(step);
      }
    },
    follow(stepId, changed) {
      const one = tracked.get(stepId);
      if (one === undefined) {
        // Closed before anyone could follow it: told at once, but never from within this call.
        queueMicrotask(changed);
        return () => undefined;
      }
      one.followers.add(changed);
      return () => void one.followers.delete(changed);
    },
    stop() {
      for (const one of tracked.values()) for (const cancel of one.timers.values()) cancel();
      tracked.clear();
      executors.clear();
    },
  };
}
