import type { CallRequest } from "../../src/check/call-request.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { answerCall } from "./approvers.ts";
import { ask, requestWith } from "./ask.ts";
import { OPERATOR } from "./broker.ts";
import { ELEMENTS, PLACES } from "./cast.ts";
import { at, chosen, isApt, isIn, isProcess } from "./choose.ts";
import { attend } from "./closures.ts";
import type { EventOf } from "./events.ts";
import { argumentsOf } from "./held-calls.ts";
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
    const { digest, acceptPending } = event;
    const told = digest === undefined ? {} : { argumentsSha256: argumentsOf(digest) };
    return requestWith(delivery.svid, element, location, { ...told, acceptPending });
  }

  /** What a call races with. */
  async function happening({ meanwhile }: EventOf<"call">, { delivery }: Delivered): Promise<void> {
    const { stepId = "", record } = model.credentials.get(delivery.issuanceId) ?? {};
    const opener = model.steps.get(stepId)?.step.opener;
    if (opener === undefined || record?.jti === undefined) return;
    const now = clock.now();
    switch (meanwhile) {
      case "close": {
        const closing = { stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 } as const;
        await world.broker.close(world.actor(1, isProcess(opener)), closing);
        return;
      }
      case "revoke":
        await world.broker.revoke({ kind: "jti", jti: record.jti });
        return;
      case "risk": {
        const raised = { scope: "domain", level: "high", expiresAt: addSeconds(secondsOf(now), 1) } as const;
        const { ledger } = world.life.ground.store;
        await ledger.perform({ act: "set-risk", ...raised, reason: "simulated", by: OPERATOR, now });
        return;
      }
      default:
    }
  }

  return {
    watch: ({ watcher, ...attendance }: EventOf<"watch">): Promise<void> =>
      attend(world, chosen(watchers, watcher), attendance),
    acknowledge: ({ watcher }: EventOf<"acknowledge">): void => chosen(watchers, watcher).acknowledge(),
    leave: ({ watcher }: EventOf<"leave">): void => chosen(watchers, watcher).leave(),
    async call(event: EventOf<"call">): Promise<void> {
      const token = presented(event);
      const request = token === undefined ? undefined : requestOf(event, token);
      if (token === undefined || request === undefined) return;
      const asked = (times: number) =>
        Promise.all(Array.from({ length: times }, () => ask(world, world.actor(event.by, isIn(21)), request)));
      const [answers] = await Promise.all([asked(event.times), happening(event, token)]);
      const pending = answers.flatMap((one) => (one?.effect === "deny" && one.pending ? [one.pending] : []));
      const [waits] = pending;
      if (waits === undefined || event.answer === undefined) return;
      await answerCall(world, { kind: event.answer, by: world.actor(1, isIn(31)), approvalId: waits.approvalId });
      await asked(event.again);
    },
  };
}
