import { errorOf } from "../domain/errors.ts";
import type { Following } from "../ports/following.ts";

/**
 * What a follower keeps, for whoever serves from it.
 *
 * @returns a function that gives it; it throws BrokerError NOT_SERVING while what is kept must not be relied on
 */
export function reliable<Kept>(following: Pick<Following, "refusal">, kept: Kept): () => Kept {
  return () => {
    const refusal = following.refusal();
    if (refusal !== undefined) throw errorOf(refusal);
    return kept;
  };
}
