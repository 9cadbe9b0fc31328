import type { Handle } from "pkcs11js";

/**
 * Hands out sessions one use at a time: a session of PKCS #11 has one signature under way at most, and a caller who
 * comes while all sessions are in use waits for the next free one.
 */
export function createSessionPool(
  sessions: readonly Handle[],
): <T>(use: (session: Handle) => Promise<T>) => Promise<T> {
  const idle = [...sessions];
  const waiting: ((session: Handle) => void)[] = [];

  return async (use) => {
    const session = idle.pop() ?? (await new Promise<Handle>((resolve) => waiting.push(resolve)));
    try {
      return await use(session);
    } finally {
      const next = waiting.shift();
      if (next === undefined) idle.push(session);
      else next(session);
    }
  };
}
