import { LIMITS } from "../../src/domain/limits.ts";
import { USERS } from "./cast.ts";
import { chosen } from "./choose.ts";
import type { EventOf } from "./events.ts";
import { note } from "./model-history.ts";
import type { World } from "./world.ts";

/** Those that may fail: each keeps something that answers depend on. */
const FOLLOWERS = [
  ...(["steps", "registration entries", "lifetimes of steps", "feed", "authorities"] as const),
  "streams of security events",
] as const;

/** What happens to the broker and around it: processes, clocks, faults. */
export function surroundings(world: World) {
  const { kernel, clock, faults, processes, replica, way, model } = world;

  return {
    start: ({ user }: EventOf<"start">): void => void processes.push(kernel.start(USERS[user] ?? 1)),
    kill: ({ process }: EventOf<"kill">): void => kernel.kill(chosen(processes, process)),
    async advance({ ms }: EventOf<"advance">): Promise<void> {
      if (way === undefined) return clock.advance(ms);
      // Brokers that share a log beat meanwhile: time passes as somebody waits for it.
      await new Promise<void>((resolve) => void clock.schedule(ms, resolve));
    },
    wall({ seconds }: EventOf<"wall">): void {
      clock.stepWall(clock.skewSeconds() === 0 ? seconds : -clock.skewSeconds());
      // Where the ledger is shared, a broker whose clock is off records nothing.
      if (way !== undefined) world.couldNotRecord ||= Math.abs(clock.skewSeconds()) > LIMITS.clockSkewSecondsMax;
    },
    ledger({ isUnavailable }: EventOf<"ledger">): void {
      faults.isLedgerUnavailable = isUnavailable;
      world.couldNotRecord ||= isUnavailable;
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
    replicate: (): void => replica?.catchUp(),
    restart: (): Promise<void> => world.restart(),
    die(): Promise<void> {
      note(model, "died");
      return world.kill();
    },
    begin({ anew }: EventOf<"begin">): Promise<void> {
      note(model, anew ? "began anew" : "began");
      return world.begin(anew);
    },
    way({ change }: EventOf<"way">): void {
      if (way === undefined) return;
      note(model, `way ${change}`);
      // Also one that is told nothing and falls behind what is pruned: it records nothing until it starts again.
      world.couldNotRecord = true;
      if (change === "cut" || change === "mended") way.isCut = change === "cut";
      else if (change === "deaf" || change === "hearing") way.isDeaf = change === "deaf";
      else way.unknown = change;
    },
  };
}
