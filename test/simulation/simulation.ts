import { BrokerError } from "../../src/domain/errors.ts";
import { agents } from "./agents.ts";
import { approvers } from "./approvers.ts";
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
import { createWorld, type World } from "./world.ts";

/** One world in which a schedule takes place. */
export type Simulation = {
  readonly world: World;
  /** Does what is asked for at once, and waits until all is at rest. */
  run(round: Round): Promise<void>;
  end(): Promise<void>;
};

/** How each kind of event comes about. */
type Acts = { readonly [Kind in Event["kind"]]: (event: EventOf<Kind>) => unknown };

/** Events that change whether anything may be issued at all. */
const UNSTEADYING: readonly Event["kind"][] = ["wall", "accept-restore", "restart"];

export async function simulate(manner: Manner): Promise<Simulation> {
  const world = await createWorld(manner);
  const opening = runtimes(world);
  const administering = operators(world);
  const acts: Acts = {
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

  async function happen(event: Event): Promise<void> {
    const act = acts[event.kind] as (event: Event) => unknown;
    await act(event);
  }

  return {
    world,
    async run(round) {
      const { killed } = world.life;
      world.isSteady = !round.some(({ kind }) => UNSTEADYING.includes(kind));
      const happening = round.map((event) => Promise.race([happen(event), killed]));
      for (const outcome of await world.answered(Promise.allSettled(happening))) {
        if (outcome.status === "fulfilled") continue;
        // A refusal is an answer, and who asks of a broker that is killed gets none.
        if (!(outcome.reason instanceof BrokerError || outcome.reason instanceof Killed)) throw outcome.reason;
      }
      await world.restarted();
      await world.rest();
    },
    end: world.end,
  };
}
