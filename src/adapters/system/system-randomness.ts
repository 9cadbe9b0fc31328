import { randomFillSync } from "node:crypto";
import type { Randomness } from "../../ports/randomness.ts";

/** Filling the pool once costs hardly more than drawing 16 bytes; one issuance takes 20 to 30 bytes. */
const POOL_BYTES = 8 * 1024;

/** Random bytes of the operating system, taken in large portions. For serial numbers, ids and nonces, not for keys. */
export function systemRandomness(): Randomness {
  const pool = new Uint8Array(POOL_BYTES);
  let used = POOL_BYTES;

  return {
    bytes(count) {
      if (count > POOL_BYTES) return randomFillSync(new Uint8Array(count));
      if (used + count > POOL_BYTES) {
        randomFillSync(pool);
        used = 0;
      }
      const bytes = pool.slice(used, used + count);
      used += count;
      return bytes;
    },
  };
}
