/** With `KEY_CHARACTERS_MAX`, 20 MiB at most. */
const ANSWERS_MAX = 10_000;
/** A question this long names hundreds of servers; the next one will name others. */
const KEY_CHARACTERS_MAX = 2_048;

/**
 * What was answered before. A policy has no memory, no clock and no chance in it: asked the same, with the same in all that
 * any policy looks at, it answers the same. A key holds all of that.
 */
export type Answered<Value> = { get(key: string): Value | undefined; set(key: string, value: Value): void };

/** Answers that were given before; the oldest make room. */
export function createAnswered<Value>(): Answered<Value> {
  const values = new Map<string, Value>();
  return {
    get: (key) => values.get(key),
    set(key, value) {
      if (key.length > KEY_CHARACTERS_MAX) return;
      if (values.size >= ANSWERS_MAX) {
        for (const oldest of values.keys()) {
          values.delete(oldest);
          break;
        }
      }
      values.set(key, value);
    },
  };
}
