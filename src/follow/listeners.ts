import type { Cancel } from "../ports/clock.ts";

/** Those who want to be told of a change. */
export type Listeners<Told extends readonly unknown[] = []> = {
  /** Calls after each change from now on; ends with the returned function. */
  onChange(changed: (...told: Told) => void): Cancel;
  tell(...told: Told): void;
};

/**
 * @param failed - takes what a listener throws. A listener is not to keep others from being told, nor whoever tells from
 *   going on: what changed has changed, and is on record.
 */
export function createListeners<Told extends readonly unknown[] = []>(
  failed: (error: unknown) => void,
): Listeners<Told> {
  const listeners = new Set<(...told: Told) => void>();
  return {
    onChange(changed) {
      // Another function for each who listens: one given twice would be forgotten with whoever leaves first.
      const listener = (...told: Told) => changed(...told);
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    tell(...told) {
      // A copy: whoever is told may listen anew.
      for (const listener of [...listeners]) {
        try {
          listener(...told);
        } catch (thrown) {
          failed(thrown);
        }
      }
    },
  };
}
