import { chosen } from "./choose.ts";
import type { EventOf } from "./events.ts";
import type { World } from "./world.ts";

/** Those to whom credentials are presented. */
export function verifiers(world: World) {
  const { watchers } = world;

  return {
    async watch({ watcher }: EventOf<"watch">): Promise<void> {
      if (world.isUp) await chosen(watchers, watcher).watch(world.broker, world.life.ground);
    },
    leave: ({ watcher }: EventOf<"leave">): void => chosen(watchers, watcher).leave(),
  };
}
