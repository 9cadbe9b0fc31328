import { addSeconds, type UnixSeconds } from "../domain/time.ts";
import { sha256Of } from "./proof-key.ts";
import { VerificationError } from "./verification-error.ts";

/** The proofs that were used, for as long as they could be used again. */
export type ReplayCache = {
  /**
   * Takes a proof that holds in every other respect; what does not hold is not to be remembered.
   *
   * @param holder - the thumbprint of its key.
   * @throws VerificationError PROOF_REPLAYED; OVERLOADED when there is no room for another
   */
  use(holder: string, jti: string, now: UnixSeconds): void;
  readonly size: number;
};

type Entry = { readonly holder: string; readonly forgetAt: UnixSeconds };

/**
 * Remembers proofs, a bounded number of them: when it is full it refuses, since to forget one early is to let it in
 * twice. One key has a share of the room and no more, so that who floods it is the one who is refused.
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
  const byHolder = new Map<string, number>();

  /** What is kept equally long is over in the order in which it came. */
  function forget(now: UnixSeconds): void {
    for (const [id, { holder, forgetAt }] of used) {
      if (forgetAt > now) return;
      used.delete(id);
      const left = (byHolder.get(holder) ?? 0) - 1;
      if (left > 0) byHolder.set(holder, left);
      else byHolder.delete(holder);
    }
  }

  return {
    use(holder, jti, now) {
      forget(now);
      // A digest: equally long whatever the `jti`, and no key can take another's.
      const id = sha256Of(`${holder} ${jti}`);
      if (used.has(id)) throw new VerificationError("PROOF_REPLAYED", "the proof was used before");
      const ofHolder = byHolder.get(holder) ?? 0;
      if (used.size >= options.capacity || ofHolder >= options.holderCapacity) {
        throw new VerificationError("OVERLOADED", "the verifier cannot remember more proofs at present");
      }
      used.set(id, { holder, forgetAt: addSeconds(now, options.keepSeconds) });
      byHolder.set(holder, ofHolder + 1);
    },
    get size() {
      return used.size;
    },
  };
}
