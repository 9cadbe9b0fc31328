import { setTimeout as sleep } from "node:timers/promises";

/** Expiry is an instant, and a wait is over early when its signal is aborted. */
export type Time = {
  /** Milliseconds since 1970. */
  now(): number;
  /** Never rejects. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
};

export const MACHINE_TIME: Time = {
  now: () => Date.now(),
  pause: (ms, signal) => sleep(ms, undefined, { signal, ref: false }).catch(() => undefined),
};
