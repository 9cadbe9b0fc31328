import type { FollowingStandby, Standbys } from "../ports/standbys.ts";

export function createStandbys(): Standbys {
  const following = new Set<{ current: FollowingStandby }>();
  return {
    all: () => [...following].map(({ current }) => current),
    entered(standby) {
      const one = { current: standby };
      following.add(one);
      return {
        sent(sequence) {
          one.current = { ...one.current, sent: sequence };
        },
        left: () => void following.delete(one),
      };
    },
  };
}
