/**
 * Keeps a value for the rest of this turn of the event loop, and no longer. Requests that were read from a connection
 * together were all sent before the first of them is looked at, so a fact about their sender at that moment holds for
 * each of them.
 */
export type TurnMemory<Key, Value> = {
  get(key: Key): Value | undefined;
  keep(key: Key, value: Value): Value;
  forget(key: Key): void;
};

export function createTurnMemory<Key, Value>(): TurnMemory<Key, Value> {
  const kept = new Map<Key, Value>();
  return {
    get: (key) => kept.get(key),
    keep(key, value) {
      if (kept.size === 0) setImmediate(() => kept.clear());
      kept.set(key, value);
      return value;
    },
    forget: (key) => void kept.delete(key),
  };
}
