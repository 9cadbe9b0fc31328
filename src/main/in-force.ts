import type { Following, InForce } from "../ports/following.ts";

/** Waits for those followers, and for no others, that make something in force. */
export function reachedBy(...followings: readonly Following[]): InForce {
  return async (sequence) => {
    await Promise.all(followings.map((following) => following.reached(sequence)));
  };
}
