import type { CallRequest } from "../../src/check/call-request.ts";
import { ask, requestWith } from "./ask.ts";
import { ELEMENTS, PLACES } from "./cast.ts";
import { at, chosen, isApt, isIn, isProcess } from "./choose.ts";
import type { EventOf } from "./events.ts";
import type { Delivered, World } from "./world.ts";

/** Those to whom credentials are presented. */
export function verifiers(world: World) {
  const { watchers, delivered, model, clock } = world;
  const places: readonly string[] = PLACES;

  /** Of the newest tokens; mostly one that is good for a server. */
  function presented({ credential, by }: EventOf<"call">): Delivered | undefined {
    const tokens = delivered.filter(({ delivery }) => delivery.kind === "jwt-svid");
    const fit = tokens.filter(({ delivery: { issuanceId } }) => {
      const known = model.credentials.get(issuanceId);
      return known !== undefined && model.isLive(known, clock.now()) && places.includes(audienceOf(issuanceId) ?? "");
    });
    return at((isApt(by) ? fit : tokens).slice(-6), credential);
  }

  const recordOf = (issuanceId: string) => model.credentials.get(issuanceId)?.record;
  const audienceOf = (issuanceId: string) => recordOf(issuanceId)?.audiences[0];

  function requestOf(event: EventOf<"call">, { delivery }: Delivered): CallRequest | undefined {
    const location = audienceOf(delivery.issuanceId);
    const held = recordOf(delivery.issuanceId)?.grant ?? [];
    const element = at(isApt(event.by) && held.length > 0 ? held : ELEMENTS, event.element);
    if (location === undefined || element === undefined) return undefined;
    return requestWith(delivery.svid, element, location);
  }

  async function closeStepOf(token: Delivered | undefined): Promise<void> {
    const { stepId = "" } = model.credentials.get(token?.delivery.issuanceId ?? "") ?? {};
    const opener = model.steps.get(stepId)?.step.opener;
    if (opener === undefined) return;
    await world.broker.close(world.actor(1, isProcess(opener)), { stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 });
  }

  return {
    async watch({ watcher }: EventOf<"watch">): Promise<void> {
      if (world.isUp) await chosen(watchers, watcher).watch(world.broker, world.life.ground);
    },
    leave: ({ watcher }: EventOf<"leave">): void => chosen(watchers, watcher).leave(),
    async call(event: EventOf<"call">): Promise<void> {
      const token = presented(event);
      const request = token === undefined ? undefined : requestOf(event, token);
      if (request === undefined) return;
      const asking = Array.from({ length: event.times }, () => ask(world, world.actor(event.by, isIn(21)), request));
      await Promise.all([...asking, ...(event.isClosing ? [closeStepOf(token)] : [])]);
    },
  };
}
