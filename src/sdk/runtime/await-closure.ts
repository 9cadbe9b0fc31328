import { setTimeout as sleep } from "node:timers/promises";
import type { Steps } from "../../gen/stint/v1/steps_pb.js";
import { type Closure, ClosureState } from "../../gen/stint/v1/types_pb.js";
import type { ClientOf } from "../../wire/client.ts";
import { backoff } from "./backoff.ts";
import { stintErrorOf } from "./stint-error.ts";

/**
 * Follows the closure of a step until it is CLOSED, across broken connections and restarts of the broker.
 *
 * @param options.waitMs - at most this long.
 * @param options.onChange - called with each closure that is told.
 * @returns the last that was told; `undefined` where none was.
 * @throws StintError what the broker refuses
 */
export async function awaitClosure(
  steps: Pick<ClientOf<typeof Steps>, "watchClosure">,
  stepId: string,
  options: { readonly waitMs: number; readonly onChange?: (closure: Closure) => void },
): Promise<Closure | undefined> {
  const endsAt = performance.now() + options.waitMs;
  const signal = AbortSignal.timeout(options.waitMs);
  const pauses = backoff();
  let last: Closure | undefined;
  while (!signal.aborted) {
    try {
      for await (const { closure } of steps.watchClosure({ stepId }, { signal })) {
        if (closure === undefined) continue;
        last = closure;
        pauses.reset();
        options.onChange?.(closure);
        if (closure.state === ClosureState.CLOSED) return last;
      }
    } catch (thrown) {
      if (signal.aborted) return last;
      const error = stintErrorOf(thrown);
      if (!error.retryable && error.reason !== "BROKER_FAILED") throw error;
    }
    const pauseMs = Math.min(pauses.next(), Math.max(0, endsAt - performance.now()));
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
  return last;
}
