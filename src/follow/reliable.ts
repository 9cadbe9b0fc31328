import { errorOf } from "../domain/errors.ts";
import type { Following } from "../ports/following.ts";

/**
 * Gives what a follower keeps to code that serves from it.
 *
 * @returns a function that gives `kept`, and throws BrokerError NOT_SERVING while `kept` must not be relied on
 */
export function reliable<Kept>(following: Pick<Following, "refusal">, kept: Kept): () => Kept {
  return () => {
    const refusal = following.refusal();
    if (refusal !== undefined) throw errorOf(refusal);
    return kept;
  };
}
