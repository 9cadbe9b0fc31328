import { errors, type FlattenedJWSInput, type JWSHeaderParameters } from "jose";
import { LIMITS } from "../../domain/limits.ts";
import type { Clock } from "../../ports/clock.ts";
import type { KeySet } from "./discover-keys.ts";

/** Finds the key that a token says it is signed with. */
export type KeyFinder = (header: JWSHeaderParameters, token: FlattenedJWSInput) => ReturnType<KeySet>;

/**
 * Keeps the keys of one issuer. They are fetched when they are first needed, when they have become old, and once more
 * for a token whose key is not among them, so that a new key counts at once. A caller who comes during a fetch waits
 * for the same answer.
 *
 * Old keys are not believed when the issuer can't be asked: the issuer may have taken a key back.
 *
 * @param fetchKeys - throws TokenRefusal.
 */
export function keepIssuerKeys(fetchKeys: () => Promise<KeySet>, clock: Clock): KeyFinder {
  let known: { readonly keys: KeySet; readonly askedAtMs: number } | undefined;
  let failure: { readonly thrown: unknown; readonly atMs: number } | undefined;
  let asking: Promise<KeySet> | undefined;

  function passedSince(instantMs: number): number {
    return clock.monotonicMs() - instantMs;
  }

  async function ask(): Promise<KeySet> {
    if (failure !== undefined && passedSince(failure.atMs) < LIMITS.issuerRetryMs) throw failure.thrown;
    const askedAtMs = clock.monotonicMs();
    try {
      const keys = await fetchKeys();
      known = { keys, askedAtMs };
      return keys;
    } catch (thrown) {
      failure = { thrown, atMs: clock.monotonicMs() };
      throw thrown;
    }
  }

  function askOnce(): Promise<KeySet> {
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  }

  async function current(): Promise<KeySet> {
    if (known !== undefined && passedSince(known.askedAtMs) < LIMITS.issuerKeysFreshMs) return known.keys;
    return askOnce();
  }

  function mayAskAgain(): boolean {
    return known !== undefined && passedSince(known.askedAtMs) >= LIMITS.issuerKeysRenewedMs;
  }

  return async (header, token) => {
    const keys = await current();
    try {
      return await keys(header, token);
    } catch (thrown) {
      if (!(thrown instanceof errors.JWKSNoMatchingKey) || !mayAskAgain()) throw thrown;
    }
    const newer = await askOnce();
    return newer(header, token);
  };
}
