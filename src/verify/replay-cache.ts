import { createTally } from "../domain/tally.ts";
import { addSeconds, type UnixSeconds } from "../domain/time.ts";
import { sha256Of } from "./proof-key.ts";
import { VerificationError } from "./verification-error.ts";

/** The proofs that were used, for as long as they could be used again. */
export type ReplayCache = {
  /**
   * Takes a proof that holds in every other respect; a proof that does not hold must not be remembered.
   *
   * @param holder - the thumbprint of the proof's key.
   * @throws VerificationError PROOF_REPLAYED; OVERLOADED when there is no room for another proof
   */
  use(holder: string, jti: string, now: UnixSeconds): void;
  readonly size: number;
};

type Entry = { readonly holder: string; readonly forgetAt: UnixSeconds };

/**
 * Remembers a bounded number of proofs. A full cache refuses, since a proof that is forgotten early could be used
 * twice. One key has a share of the room and no more, so that the holder who floods the cache is the one refused.
 *
 * @param options.keepSeconds - longer than any proof holds.
 * @param options.capacity - of proofs; each takes some 200 bytes.
 * @param options.holderCapacity - of proofs of one key.
 * @see RFC 9449 section 11.1
 */
export function createReplayCache(options: {
  readonly keepSeconds: number;
  readonly capacity: number;
  readonly holderCapacity: number;
}): ReplayCache {
  const used = new Map<string, Entry>();
  const byHolder = createTally();

  /** All proofs are kept equally long, so they expire in the order in which they came. */
  function forget(now: UnixSeconds): void {
    for (const [id, { holder, forgetAt }] of used) {
      if (forgetAt > now) return;
      used.delete(id);
      byHolder.remove(holder);
    }
  }

  return {
    use(holder, jti, now) {
      forget(now);
      // A digest of both: equally long whatever the `jti`, and no key can use up another key's `jti`.
      const id = sha256Of(`${holder} ${jti}`);
      if (used.has(id)) throw new VerificationError("PROOF_REPLAYED", "the proof was used before");
      if (used.size >= options.capacity || byHolder.of(holder) >= options.holderCapacity) {
        throw new VerificationError("OVERLOADED", "the verifier cannot remember more proofs at present");
      }
      used.set(id, { holder, forgetAt: addSeconds(now, options.keepSeconds) });
      byHolder.add(holder);
    },
    get size() {
      return used.size;
    },
  };
}
