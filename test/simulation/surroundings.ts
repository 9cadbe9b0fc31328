import { USERS } from "./cast.ts";
import { chosen } from "./choose.ts";
import type { EventOf } from "./events.ts";
import type { World } from "./world.ts";

/** Those that may fail: each keeps something that answers depend on. */
const FOLLOWERS = [
  ...(["steps", "registration entries", "lifetimes of steps", "feed", "authorities"] as const),
  "streams of security events",
] as const;

/** What happens to the broker and around it: processes, clocks, faults. */
export function surroundings(world: World) {
  const { kernel, clock, faults, processes, replica } = world;

  return {
    start: ({ user }: EventOf<"start">): void => void processes.push(kernel.start(USERS[user] ?? 1)),
    kill: ({ process }: EventOf<"kill">): void => kernel.kill(chosen(processes, process)),
    advance: ({ ms }: EventOf<"advance">): void => clock.advance(ms),
    wall({ seconds }: EventOf<"wall">): void {
      clock.stepWall(clock.skewSeconds() === 0 ? seconds : -clock.skewSeconds());
    },
    ledger({ isUnavailable }: EventOf<"ledger">): void {
      faults.isLedgerUnavailable = isUnavailable;
      world.hadLedgerUnavailable ||= isUnavailable;
    },
    signer({ isUnavailable }: EventOf<"signer">): void {
      faults.isSignerUnavailable = isUnavailable;
    },
    engine({ state }: EventOf<"engine">): void {
      faults.engine = state;
    },
    follower({ failing }: EventOf<"follower">): void {
      faults.failingFollower = failing === undefined ? undefined : FOLLOWERS[failing];
    },
    checkpoints({ failing }: EventOf<"checkpoints">): void {
      faults.checkpoints = failing;
    },
    replicate: (): void => replica.catchUp(),
    restart: (): Promise<void> => world.restart(),
  };
}
