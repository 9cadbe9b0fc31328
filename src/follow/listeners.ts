import type { Cancel } from "../ports/clock.ts";

/** Those who want to be told of a change. */
export type Listeners<Told extends readonly unknown[] = []> = {
  /** Calls after each change from now on; ends with the returned function. */
  onChange(changed: (...told: Told) => void): Cancel;
  tell(...told: Told): void;
};

/**
 * @param failed - takes what a listener throws. A listener that throws must not keep other listeners from being told,
 *   nor stop the caller of `tell`: the change has happened, and is on record.
 */
export function createListeners<Told extends readonly unknown[] = []>(
  failed: (error: unknown) => void,
): Listeners<Told> {
  const listeners = new Set<(...told: Told) => void>();
  return {
    onChange(changed) {
      // A function of its own for each call: a function that was given twice would be removed when the first caller
      // leaves.
      const listener = (...told: Told) => changed(...told);
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    tell(...told) {
      // A copy, since a listener that is told may add listeners.
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
