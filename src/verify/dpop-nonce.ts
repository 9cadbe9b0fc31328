import { createHmac, timingSafeEqual } from "node:crypto";
import { base64urlOf } from "../domain/base64url.ts";
import type { UnixSeconds } from "../domain/time.ts";

/** Nonces that a server need not remember: with the secret it can tell which nonces it gave out, and when. */
export type DpopNonces = {
  /** The nonce to give out now. */
  current(now: UnixSeconds): string;
  /**
   * Whether a nonce was given out in this period (`current`), or in the period before (`previous`: time for a new
   * nonce).
   */
  judge(nonce: string, now: UnixSeconds): "current" | "previous" | "unknown";
};

/** Half of the digest is too much to guess within the life of a nonce. */
const TAG_BYTES = 16;

/**
 * @param options.secret - at least 32 bytes; the same for all processes that answer for one server.
 * @param options.periodSeconds - a nonce is good for one to two periods.
 * @see RFC 9449 sections 8 and 9
 */
export function createDpopNonces(options: { readonly secret: Uint8Array; readonly periodSeconds: number }): DpopNonces {
  const { secret, periodSeconds } = options;

  function nonceOf(period: number): string {
    const tag = createHmac("sha256", secret).update(`stint DPoP nonce ${period}`).digest();
    return base64urlOf(tag.subarray(0, TAG_BYTES));
  }

  const periodOf = (now: UnixSeconds) => Math.floor(now / periodSeconds);
  return {
    current: (now) => nonceOf(periodOf(now)),
    judge(nonce, now) {
      const period = periodOf(now);
      if (isSame(nonce, nonceOf(period))) return "current";
      return isSame(nonce, nonceOf(period - 1)) ? "previous" : "unknown";
    },
  };
}

function isSame(a: string, b: string): boolean {
  const [first, second] = [Buffer.from(a), Buffer.from(b)];
  return first.length === second.length && timingSafeEqual(first, second);
}
