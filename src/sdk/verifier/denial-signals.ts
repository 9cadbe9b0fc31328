import type { VerificationError } from "../../verify/verification-error.ts";
import type { DenyKey } from "./deny-list.ts";

/** Aborts when what it watches is denied. Dispose of it when the work is done, or it is kept for good. */
export type StepSignal = {
  /** Its `reason` is the VerificationError `REVOKED`. */
  readonly signal: AbortSignal;
  [Symbol.dispose](): void;
};

export type DenialSignals = {
  /**
   * A signal that aborts when any of these is denied.
   *
   * @param already - what it aborts with at once, when one of them is denied already.
   */
  watch(keys: readonly DenyKey[], already: VerificationError | undefined): StepSignal;
  /** Aborts whoever watches this key. Listeners that throw are the process's uncaught errors, and stop nobody. */
  abort(key: DenyKey, reason: VerificationError): void;
};

export function createDenialSignals(): DenialSignals {
  const watchers = new Map<DenyKey, Set<AbortController>>();

  function forget(keys: readonly DenyKey[], controller: AbortController): void {
    for (const key of keys) {
      const set = watchers.get(key);
      set?.delete(controller);
      if (set?.size === 0) watchers.delete(key);
    }
  }

  return {
    watch(keys, already) {
      const controller = new AbortController();
      if (already !== undefined) {
        controller.abort(already);
        return { signal: controller.signal, [Symbol.dispose]: () => undefined };
      }
      for (const key of keys) {
        const set = watchers.get(key) ?? new Set();
        watchers.set(key, set.add(controller));
      }
      return { signal: controller.signal, [Symbol.dispose]: () => forget(keys, controller) };
    },
    abort(key, reason) {
      for (const controller of watchers.get(key) ?? []) controller.abort(reason);
      watchers.delete(key);
    },
  };
}
