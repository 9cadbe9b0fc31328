import type { Actor } from "../domain/actor.ts";
import { LIMITS } from "../domain/limits.ts";
import { permits, REASON_OF_STATE, type Step } from "../domain/step.ts";
import { createTally } from "../domain/tally.ts";
import { microsOf, type UnixMicros } from "../domain/time.ts";
import { type Charges, chargesAmong } from "../follow/charge.ts";
import { createOpenSteps, type StepChange } from "../follow/open-steps.ts";
import type { ProcessWatch } from "../ports/attestor.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Committed, Following } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { CloseAct } from "../ports/ledger-acts.ts";
import type { ProjectionReads } from "../ports/ledger-reads.ts";

/**
 * Ends the steps that end by themselves: by expiry, lease, hold, or with the executor's process. A step that nobody
 * approved in time is REFUSED.
 */
export type Lifetimes = {
  readonly following: Following;
  /** Notes that the caller holds the step; the returned function lets go. The caller has recorded the hold before. */
  hold(stepId: string): () => void;
  /** The clock was set by so many seconds: steps over by the new time end now, and no step lasts any longer. */
  clockChanged(bySeconds: number): void;
  stop(): void;
};

export type LifetimesPorts = {
  readonly ledger: Pick<Ledger, "follow" | "perform">;
  readonly projections: Pick<ProjectionReads, "openSteps">;
  readonly processes: Pick<ProcessWatch, "watch">;
  /** Absent: the ledger is shared with nobody. */
  readonly charges?: Charges;
  readonly clock: Clock;
  readonly failed: (error: unknown) => void;
};

type Tracked = { step: Step; readonly timers: Map<Timer, Cancel> };
type Timer = "expiry" | "lease" | "hold" | "executor";

/** A close that could not be recorded is tried again: nothing may stay open only because the disk was in the way. */
const RETRY_MS = 1_000;
/**
 * When a program has just ended, the runtime that waited for it closes the step with its outcome; only a step that
 * nobody closes is abandoned. Meanwhile nothing can be issued, since no process can be attested as the executor.
 */
const EXECUTOR_GRACE_MS = 500;

/**
 * Takes up every open step, closes the steps that lapsed while the broker was down, and follows the ledger from there.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE
 */
export async function keepLifetimes(ports: LifetimesPorts): Promise<Lifetimes> {
  const { clock, charges: charge = chargesAmong(undefined) } = ports;
  const { value, through } = await ports.projections.openSteps();
  const open = createOpenSteps(value);
  const tracked = new Map<string, Tracked>();
  /** How many hold each step, also a step that is not tracked yet. */
  const holders = createTally();

  /** @param due - the instant that the timer was set for. The step is over then, even if the clock was set back. */
  function end(stepId: string, timer: Timer, due?: UnixMicros): void {
    const step = tracked.get(stepId)?.step;
    if (step !== undefined && !isForThis(step, timer)) return;
    const isWaiting = step?.state === "PENDING_APPROVAL";
    const state = timer !== "expiry" ? "ABANDONED" : isWaiting ? "REFUSED" : "EXPIRED";
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
    ports.ledger.perform(act).catch((thrown: unknown) => {
      ports.failed(thrown);
      if (isTakenUpAgain(stepId, timer, due)) return;
      set(
        stepId,
        timer,
        clock.schedule(RETRY_MS, () => end(stepId, timer, due)),
      );
    });
  }

  /** Whether it is this broker that ends the step so. One that was gone may be back. */
  function isForThis(step: Step, timer: Timer): boolean {
    if (timer !== "executor") return charge.of(step) !== "another's";
    const { executor } = step;
    return charge.isOrphaned(step) || (executor.kind !== "any" && charge.sees(executor.process));
  }

  /** Whether the step was held, renewed or closed while its end could not be recorded, so that this end is off; or another broker is back. */
  function isTakenUpAgain(stepId: string, timer: Timer, due: UnixMicros | undefined): boolean {
    const one = tracked.get(stepId);
    if (one === undefined || !isForThis(one.step, timer)) return true;
    return (timer === "hold" && holders.of(stepId) > 0) || (timer === "lease" && one.step.leaseExpiresAt !== due);
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

  function setLease({ stepId, leaseExpiresAt, state }: Step): void {
    // The lease of a step that waits for approval begins with the approval.
    if (leaseExpiresAt === undefined || !permits(state)) return;
    set(
      stepId,
      "lease",
      clock.schedule(until(leaseExpiresAt), () => end(stepId, "lease", leaseExpiresAt)),
    );
  }

  function setExpiry({ stepId, expiresAt: seconds }: Step): void {
    const expiresAt = microsOf(seconds);
    set(
      stepId,
      "expiry",
      clock.schedule(until(expiresAt), () => end(stepId, "expiry", expiresAt)),
    );
  }

  /** Nobody holds the step, which needs a hold: the step ends unless somebody holds it within this time. */
  function setHold(stepId: string, graceMs: number): void {
    set(
      stepId,
      "hold",
      clock.schedule(graceMs, () => end(stepId, "hold")),
    );
  }

  function track(step: Step): void {
    // An event that failed half-way is taken again, so the step may be tracked already.
    forget(step);
    tracked.set(step.stepId, { step, timers: new Map() });
    takeUp(step);
  }

  /** A step that is new here, or has a new keeper. */
  function takeUp(step: Step): void {
    charge.heard(step);
    takeCharge(step);
  }

  /** Whoever sees the machine watches, whoever keeps the step; where a node goes to another broker, that one does from then on. */
  function watchExecutor({ stepId, executor }: Step): void {
    const isWatched = tracked.get(stepId)?.timers.has("executor") === true;
    const isToBe = executor.kind !== "any" && charge.sees(executor.process);
    if (isWatched === isToBe) return;
    set(stepId, "executor", isToBe ? ports.processes.watch(executor.process, () => executorGone(stepId)) : undefined);
  }

  /** Sets the timers that are this broker's to set, and takes off those that are not. */
  function takeCharge(step: Step): void {
    const { stepId } = step;
    watchExecutor(step);
    const kind = charge.of(step);
    if (kind === "another's") {
      for (const timer of ["expiry", "lease", "hold"] as const) set(stepId, timer, undefined);
      return;
    }
    setExpiry(step);
    setLease(step);
    // Who held it was connected to a broker that is gone, and would hold it elsewhere by now.
    if (kind === "orphan" && step.held) end(stepId, "hold");
    else if (charge.isOrphaned(step)) end(stepId, "executor");
  }

  function executorGone(stepId: string): void {
    set(
      stepId,
      "executor",
      clock.schedule(EXECUTOR_GRACE_MS, () => end(stepId, "executor")),
    );
  }

  function forget({ stepId }: Step): void {
    for (const cancel of tracked.get(stepId)?.timers.values() ?? []) cancel();
    tracked.delete(stepId);
  }

  function change({ kind, step }: StepChange): void {
    const one = tracked.get(step.stepId);
    if (kind === "opened" || kind === "pending" || kind === "approved") track(step);
    else if (kind === "closed") forget(step);
    else if (one !== undefined) {
      const before = one.step;
      one.step = step;
      if (before.keeper !== step.keeper) takeUp(step);
      if (before.leaseExpiresAt !== step.leaseExpiresAt) setLease(step);
      // The caller that recorded the hold calls `hold` next; if it is gone meanwhile, this timer ends the step.
      const isHeldHere = (!before.held && step.held) || before.keeper !== step.keeper;
      if (isHeldHere && charge.of(step) === "own" && holders.of(step.stepId) === 0) {
        setHold(step.stepId, LIMITS.holdGraceMs);
      }
    }
  }

  for (const step of value) {
    track(step);
    if (step.held && charge.of(step) === "own") setHold(step.stepId, LIMITS.holdGraceAfterRestartMs);
  }
  const take = (committed: Committed) => {
    for (const one of open.take(committed)) change(one);
  };
  const following = ports.ledger.follow({ name: "lifetimes of steps", take }, through);
  const stopCharges = charge.onChange((isConcerned) => {
    for (const { step } of [...tracked.values()]) if (isConcerned(step)) takeCharge(step);
  });

  return {
    following,
    hold(stepId) {
      holders.add(stepId);
      set(stepId, "hold", undefined);
      let released = false;
      return () => {
        if (released) return;
        released = true;
        const step = tracked.get(stepId)?.step;
        if (holders.remove(stepId) === 0 && step !== undefined && charge.of(step) === "own") {
          setHold(stepId, LIMITS.holdGraceMs);
        }
      };
    },
    clockChanged(bySeconds) {
      // When the clock was set back, the timers that run keep to the old time.
      if (bySeconds <= 0) return;
      for (const { step } of tracked.values()) {
        if (charge.of(step) === "another's") continue;
        setExpiry(step);
        setLease(step);
      }
    },
    stop() {
      following.end();
      stopCharges();
      for (const { step } of tracked.values()) forget(step);
    },
  };
}
