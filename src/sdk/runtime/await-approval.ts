import { setTimeout as sleep } from "node:timers/promises";
import { type Step as StepMessage, StepState } from "../../gen/stint/v1/types_pb.js";
import { ASK_AGAIN_AFTER_MS, answeredStep } from "../../wire/answered-step.ts";
import type { Broker } from "./broker.ts";
import { closeStep } from "./close-step.ts";
import { stateNameOf } from "./step-facts.ts";
import type { EndsWith } from "./step-lifetime.ts";
import { isStintError, StintError, stepClosed, stintErrorOf } from "./stint-error.ts";

/**
 * Waits until a step that waits for approval is open. A wait that is given up takes the request back.
 *
 * @param options.timeoutMs - absent: as long as the broker lets it wait.
 * @throws StintError STEP_CLOSED (metadata `state`; of a REFUSED one also `cause`: `operator`, or `expiry` where nobody
 *   approved it in time); APPROVAL_TIMEOUT; what the broker refuses to tell whoever waits; and the signal's reason
 */
export async function awaitApproval(
  { stepId }: StepMessage,
  options: {
    readonly broker: Broker;
    readonly timeoutMs?: number | undefined;
    readonly signal?: AbortSignal | undefined;
    readonly endsWith: readonly EndsWith[];
  },
): Promise<StepMessage> {
  const { broker, timeoutMs, endsWith } = options;
  const givenUp = new AbortController();
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(
          () =>
            givenUp.abort(new StintError("APPROVAL_TIMEOUT", `step ${stepId} was not approved within ${timeoutMs} ms`)),
          timeoutMs,
        );
  const over = new AbortController();
  for (const other of endsWith) {
    const follow = () => givenUp.abort(other.error(stepId));
    if (other.signal.aborted) follow();
    else other.signal.addEventListener("abort", follow, { once: true, signal: over.signal });
  }
  const signals = options.signal === undefined ? [givenUp.signal] : [givenUp.signal, options.signal];
  const signal = AbortSignal.any(signals);
  try {
    const pause = () => sleep(ASK_AGAIN_AFTER_MS, undefined, { signal }).catch(() => undefined);
    const step = await answeredStep(broker.steps, stepId, { signal, mayPass, pause });
    if (step.state === StepState.OPEN) return step;
    throw notApproved(step);
  } catch (thrown) {
    const error = signal.aborted ? signal.reason : stintErrorOf(thrown);
    if (isStintError(error, "STEP_CLOSED") && !signal.aborted) throw error;
    // Nobody is to approve what nobody waits for any more. If that can't be said, the broker refuses it in time.
    await closeStep(broker, stepId, "CANCELLED", {}).catch(() => undefined);
    throw error;
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}

/** Why a step that waited is closed. Of one that was refused, whoever asked is told by whom, and in which words. */
function notApproved({ stepId, state, approval }: StepMessage): StintError {
  if (state !== StepState.REFUSED) return stepClosed(stepId, stateNameOf(state));
  const answer = approval?.answer;
  const [cause, how] =
    answer === undefined
      ? ["expiry", "was not approved in time"]
      : ["operator", `was refused by an operator: ${answer.reason}`];
  return new StintError("STEP_CLOSED", `step ${stepId} ${how}`, { metadata: { state: "REFUSED", cause } });
}

/** A broken connection shows in several ways; only what the broker gave a reason for is its answer. */
function mayPass(thrown: unknown): boolean {
  const { retryable, reason } = stintErrorOf(thrown);
  return retryable || reason === "BROKER_FAILED";
}
