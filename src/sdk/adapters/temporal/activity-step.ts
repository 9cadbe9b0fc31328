import { LIMITS } from "../../../domain/limits.ts";
import type { Step } from "../../runtime/index.ts";
import type { CallStepOptions } from "../index.ts";
import type { ActivityContext, ActivityInfo } from "./activity-call.ts";

/** Temporal gives up an attempt that is silent for its heartbeat timeout; the broker, which hears of fewer beats, after twice that. */
const HEARTBEATS_PER_LEASE = 2;
/** Of a heartbeat timeout. Beats that come sooner are not passed on; one that just misses this is followed by another within the lease. */
const RENEWALS_PER_HEARTBEAT = 2;

/**
 * What the step of an activity is by itself: as long as one attempt may take, and left when its heartbeats stop.
 *
 * @param parentExpiresAt - where it is the child of another step, which it can't outlive.
 */
export function activityStepDefaults(
  { startToCloseTimeoutMs, heartbeatTimeoutMs = 0 }: ActivityInfo,
  parentExpiresAt: Date | undefined,
): CallStepOptions {
  const latestMs = parentExpiresAt?.getTime() ?? Number.POSITIVE_INFINITY;
  return {
    ...(startToCloseTimeoutMs > 0 && { expiresAt: new Date(Math.min(Date.now() + startToCloseTimeoutMs, latestMs)) }),
    ...(heartbeatTimeoutMs > 0 && { leaseSeconds: leaseSecondsOf(heartbeatTimeoutMs) }),
  };
}

function leaseSecondsOf(heartbeatTimeoutMs: number): number {
  const seconds = Math.ceil((heartbeatTimeoutMs * HEARTBEATS_PER_LEASE) / 1_000);
  return Math.min(Math.max(seconds, LIMITS.leaseSecondsMin), LIMITS.leaseSecondsMax);
}

/** Makes every heartbeat of the activity a sign of life of its step, too. */
export function renewByHeartbeat(context: ActivityContext, step: Pick<Step, "renew">): void {
  const { heartbeatTimeoutMs = 0 } = context.info;
  if (heartbeatTimeoutMs <= 0) return;
  const beat = context.heartbeat;
  let renewedAtMs = performance.now();
  const heartbeat = (details?: unknown) => {
    beat.call(context, details);
    const nowMs = performance.now();
    if (nowMs - renewedAtMs < heartbeatTimeoutMs / RENEWALS_PER_HEARTBEAT) return;
    renewedAtMs = nowMs;
    // A step that has ended says so by its signal, and one that can't be renewed just now is by the next beat.
    void step.renew().catch(() => undefined);
  };
  // Whatever asks Temporal for the current activity's context is given this object.
  Object.defineProperty(context, "heartbeat", { value: heartbeat, configurable: true, writable: true });
}
