import type { Time } from "../../../src/sdk/runtime/machine-time.ts";

/** Waits that end when they are told to. */
export function manualTime(): Time & {
  readonly paused: () => Promise<{ readonly ms: number; end(): void }>;
  nowMs: number;
} {
  const waits: { ms: number; end(): void }[] = [];
  let told = Promise.withResolvers<void>();
  return {
    nowMs: Date.now(),
    now() {
      return this.nowMs;
    },
    pause(ms, signal) {
      return new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
        waits.push({ ms, end: resolve });
        told.resolve();
        told = Promise.withResolvers();
      });
    },
    async paused() {
      while (waits.length === 0) await told.promise;
      return waits.shift() as (typeof waits)[number];
    },
  };
}
