import { setTimeout as sleep } from "node:timers/promises";
import { LIMITS } from "../../domain/limits.ts";
import { StepState } from "../../gen/stint/v1/types_pb.js";
import { backoff } from "./backoff.ts";
import type { Broker } from "./broker.ts";
import { stateNameOf } from "./step-facts.ts";
import { StintError, stepClosed, stintErrorOf } from "./stint-error.ts";

/**
 * Holds a step open, and finds its hold again when it is lost: for as long as the broker keeps a step that nobody holds,
 * and no longer, since after that the step may be gone without anybody having said so.
 *
 * @param options.onUp - called when the broker has taken the hold, and again when it has taken it anew.
 * @param options.onEnd - called at most once: STEP_CLOSED with its state, HOLD_LOST, or why the broker refuses.
 * @returns releases the hold; nothing is called after that.
 */
export function holdStep(options: {
  readonly broker: Broker;
  readonly stepId: string;
  readonly graceMs?: number | undefined;
  readonly onUp: () => void;
  readonly onEnd: (error: StintError) => void;
}): () => void {
  const released = new AbortController();
  const graceMs = options.graceMs ?? LIMITS.holdGraceMs;

  async function hold(): Promise<StintError | undefined> {
    const pauses = backoff();
    let lostAtMs = performance.now();
    while (!released.signal.aborted) {
      const leftMs = lostAtMs + graceMs - performance.now();
      if (leftMs <= 0) return new StintError("HOLD_LOST", `the hold of step ${options.stepId} was lost`);
      const ended = await once(leftMs, () => pauses.reset());
      if (ended.error !== undefined) return ended.error;
      if (ended.wasUp) lostAtMs = performance.now();
      await sleep(pauses.next(), undefined, { signal: released.signal }).catch(() => undefined);
    }
    return undefined;
  }

  /** One stream, until it ends. An attempt that is not answered in the time left counts as failed. */
  async function once(leftMs: number, onUp: () => void): Promise<{ wasUp: boolean; error?: StintError }> {
    const attempt = new AbortController();
    const timer = setTimeout(() => attempt.abort(), leftMs);
    const signal = AbortSignal.any([released.signal, attempt.signal]);
    let wasUp = false;
    try {
      for await (const { step } of options.broker.steps.hold({ stepId: options.stepId }, { signal })) {
        clearTimeout(timer);
        wasUp = true;
        onUp();
        if (released.signal.aborted) return { wasUp };
        if (step !== undefined && step.state !== StepState.OPEN) {
          return { wasUp, error: stepClosed(options.stepId, stateNameOf(step.state)) };
        }
        options.onUp();
      }
      return { wasUp };
    } catch (thrown) {
      if (signal.aborted) return { wasUp };
      const error = stintErrorOf(thrown);
      // A broken connection shows in several ways; only what the broker gave a reason for is its answer.
      return error.retryable || error.reason === "BROKER_FAILED" ? { wasUp } : { wasUp, error };
    } finally {
      clearTimeout(timer);
    }
  }

  void hold().then((error) => {
    if (error !== undefined && !released.signal.aborted) options.onEnd(error);
  });
  return () => released.abort();
}
