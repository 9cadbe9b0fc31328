import type { Actor } from "../../domain/ledger-event.ts";
import type { Authorities } from "../../gen/stint/v1/authorities_pb.js";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { type Endpoint, unary } from "./call.ts";
import { operatorActor } from "./revocations.ts";

export type AuthoritiesPorts = {
  /** Takes the wall clock's word, as an operator's recorded act; how far it was off, in seconds. */
  readonly confirmClock: (by: Actor) => Promise<number>;
};

export function authoritiesHandlers(endpoint: Endpoint, ports: AuthoritiesPorts): HandlersOf<typeof Authorities> {
  return {
    confirmClock: unary(endpoint, "Authorities.ConfirmClock", async (_request, caller) => ({
      changedSeconds: await ports.confirmClock(operatorActor(caller, ["admin"])),
    })),
  };
}
