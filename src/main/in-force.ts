import type { Following, InForce } from "../ports/following.ts";

/** An `InForce` that waits for these followers, and for no others. */
export function reachedBy(...followings: readonly Pick<Following, "reached">[]): InForce {
  return async (sequence) => {
    await Promise.all(followings.map((following) => following.reached(sequence)));
  };
}
