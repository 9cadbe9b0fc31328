import type { CallRequest } from "../../src/check/call-request.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import type { GrantElement } from "../../src/domain/grant.ts";
import { ELEMENTS, PLACES } from "./cast.ts";
import { at, chosen, isApt, isIn } from "./choose.ts";
import type { EventOf } from "./events.ts";
import type { Delivered, World } from "./world.ts";

/** Those to whom credentials are presented. */
export function verifiers(world: World) {
  const { watchers, delivered, model, clock, calls } = world;
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
    const { max_calls: _, ...use }: GrantElement = { ...element, locations: [location] };
    const credential = { kind: "jwt-svid", token: Buffer.from(delivery.svid).toString("latin1") } as const;
    return { credential, location, use, acceptPending: false };
  }

  async function call(event: EventOf<"call">, request: CallRequest): Promise<void> {
    const { lives, broker } = world;
    const asked = { askedAt: clock.now(), life: lives };
    calls.asked.set(lives, (calls.asked.get(lives) ?? 0) + 1);
    try {
      calls.answers.push({ ...asked, answer: await broker.check(world.actor(event.by, isIn(21)), request) });
    } catch (thrown) {
      if (!(thrown instanceof BrokerError)) throw thrown;
      const { decision_id: decisionId } = thrown.metadata;
      calls.refusals.push({ ...asked, ...(decisionId === undefined ? {} : { decisionId }) });
    }
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
      await Promise.all(Array.from({ length: event.times }, () => call(event, request)));
    },
  };
}
