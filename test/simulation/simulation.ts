import { BrokerError } from "../../src/domain/errors.ts";
import { agents } from "./agents.ts";
import { approvers } from "./approvers.ts";
import { at } from "./choose.ts";
import { closureAskers } from "./closures.ts";
import type { Event, EventOf, Round } from "./events.ts";
import { heldCalls } from "./held-calls.ts";
import { operators } from "./operators.ts";
import { eventReceivers } from "./receivers.ts";
import { reporters } from "./reporters.ts";
import { retainers } from "./retainers.ts";
import { runtimes } from "./runtimes.ts";
import type { Manner } from "./schedule.ts";
import { surroundings } from "./surroundings.ts";
import { Killed } from "./unsteady.ts";
import { verifiers } from "./verifiers.ts";
import { createWorlds, type World } from "./world.ts";

/** One world in which a schedule takes place. */
export type Simulation = {
  /** The world as it is around each broker. */
  readonly worlds: readonly World[];
  /** Does what is asked for at once, and waits until all is at rest. */
  run(round: Round): Promise<void>;
  end(): Promise<void>;
};

/** How each kind of event comes about. */
type Acts = { readonly [Kind in Event["kind"]]: (event: EventOf<Kind>) => unknown };

/** Events that change whether anything may be issued at all. */
const UNSTEADYING: readonly Event["kind"][] = ["wall", "accept-restore", "restart", "way", "die", "begin"];

export async function simulate(manner: Manner): Promise<Simulation> {
  const worlds = await createWorlds(manner);
  const [world] = worlds;
  if (world === undefined) throw new TypeError("there is no broker");
  const { routes = [0] } = manner;
  const acts = new Map(worlds.map((one) => [one, actsIn(one)]));
  let next = 0;

  /** Where the next event happens: mostly at a broker that is up. */
  function site({ kind }: Event): World | undefined {
    const route = routes[next % routes.length] ?? 0;
    next += 1;
    return at(
      worlds.filter(({ isUp }) => isUp === (kind !== "begin")),
      route,
    );
  }

  /** At the broker, which may be killed meanwhile. */
  function happen(event: Event): Promise<unknown> {
    const one = site(event);
    const act = one && (acts.get(one)?.[event.kind] as (event: Event) => unknown);
    if (one === undefined || act === undefined) return Promise.resolve();
    return Promise.race([(async () => act(event))(), one.life.killed]);
  }

  return {
    worlds,
    async run(round) {
      world.flags.isSteady = !round.some(({ kind }) => UNSTEADYING.includes(kind));
      const passing = round.map((event) => (event.kind === "advance" ? event.ms : 0));
      const happening = Promise.allSettled(round.map(happen));
      for (const outcome of await world.answered(happening, Math.max(0, ...passing))) {
        if (outcome.status === "fulfilled") continue;
        // A refusal is an answer, and who asks of a broker that is killed gets none.
        if (!(outcome.reason instanceof BrokerError || outcome.reason instanceof Killed)) throw outcome.reason;
      }
      for (const one of worlds) await one.restarted();
      await world.rest();
    },
    end: world.end,
  };
}

function actsIn(world: World): Acts {
  const opening = runtimes(world);
  const administering = operators(world);
  return {
    ...opening,
    ...heldCalls(world, { ...opening, ...administering }),
    ...agents(world),
    ...verifiers(world),
    ...reporters(world),
    ...closureAskers(world, opening),
    ...approvers(world),
    ...administering,
    ...eventReceivers(world),
    ...retainers(world),
    ...surroundings(world),
  };
}
