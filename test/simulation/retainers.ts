import { cutoffsOf } from "../../src/audit/retention.ts";
import { errorOf, isDenial } from "../../src/domain/errors.ts";
import { RETENTION_CLASSES } from "../../src/domain/retention.ts";
import { OPERATOR } from "./broker.ts";
import { PRINCIPALS } from "./cast.ts";
import { at, chosen } from "./choose.ts";
import type { EventOf } from "./events.ts";
import { turn } from "./lives.ts";
import type { World } from "./world.ts";

/** Those who keep the log short, and those who hold what is in it. */
export function retainers(world: World) {
  const { clock, model, replica } = world;

  /**
   * A ledger keeps everything for a day, and here for seconds: whoever follows has what is pruned, as a day later it has.
   *
   * @returns whether that is so.
   */
  async function isFollowed(): Promise<boolean> {
    const { ledger } = world.ground.store;
    replica?.catchUp();
    const { sequence } = ledger.head();
    const position = () => replica?.position() ?? sequence;
    for (let turns = 0; turns < 20 && position() < sequence; turns += 1) await turn();
    return position() >= sequence && ledger.followers().every(({ position }) => position >= sequence);
  }

  function heldValue({ scope, which }: EventOf<"place-hold">): string | undefined {
    if (scope === "principal") return world.broker.ports.principals.idOf(chosen(PRINCIPALS, which));
    const step = at(world.steps(), which);
    return scope === "run" ? step?.runId : step?.agent;
  }

  return {
    async prune({ seconds, snapshot }: EventOf<"prune">): Promise<void> {
      const { retention } = world.life.ground.store;
      const times = Object.fromEntries(RETENTION_CLASSES.map((name) => [name, seconds]));
      const cutoffs = cutoffsOf(times, clock.now());
      if (snapshot) {
        const taken = await retention.takeSnapshot();
        if (taken.kind === "damaged") throw new Error(`broken: ${taken.reason}`);
      }
      if (await isFollowed()) await retention.prune(cutoffs);
    },
    async "place-hold"(event: EventOf<"place-hold">): Promise<void> {
      const value = heldValue(event);
      if (value === undefined) return;
      const { random, store } = world.life.ground;
      const hold = { holdId: `hold_${Buffer.from(random.bytes(8)).toString("hex")}`, scope: event.scope, value };
      await store.ledger.perform({ act: "place-hold", hold, reason: "simulated", by: OPERATOR, now: clock.now() });
    },
    async "lift-hold"({ hold }: EventOf<"lift-hold">): Promise<void> {
      const holdId = at([...model.retention.holds.keys()], hold);
      if (holdId === undefined) return;
      const { ledger } = world.life.ground.store;
      const of = { reason: "simulated", by: OPERATOR, now: clock.now() } as const;
      const lifted = await ledger.perform({ act: "lift-hold", holdId, ...of });
      if (isDenial(lifted)) throw errorOf(lifted);
    },
  };
}
