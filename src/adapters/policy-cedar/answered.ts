import type { PolicyEffect } from "../../ports/policy-engine.ts";
import type { Answered } from "./loaded-set.ts";

/** With `KEY_CHARACTERS_MAX`, 20 MiB at most. */
const ANSWERS_MAX = 10_000;
/** A question this long names hundreds of servers; the next one will name others. */
const KEY_CHARACTERS_MAX = 2_048;

/** Answers that were given before; the oldest make room. */
export function createAnswered(): Answered {
  const effects = new Map<string, PolicyEffect>();
  return {
    get: (key) => effects.get(key),
    set(key, effect) {
      if (key.length > KEY_CHARACTERS_MAX) return;
      if (effects.size >= ANSWERS_MAX) {
        for (const oldest of effects.keys()) {
          effects.delete(oldest);
          break;
        }
      }
      effects.set(key, effect);
    },
  };
}
