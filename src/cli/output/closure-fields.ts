import { type Closure, ClosureState } from "../../gen/stint/v1/types_pb.js";
import { enumField, instantField, secondsField } from "./fields.ts";
import { verifierFields } from "./receipts-fields.ts";
import type { Json } from "./view.ts";

/** How far it is certain that nobody accepts what a step held, as data. */
export function closureFields(closure: Closure): Json {
  return {
    state: enumField(ClosureState, closure.state),
    places: closure.places.map(({ audience, credentials, latestExpiry, leeway, state, until }) => ({
      audience: audience === "" ? null : audience,
      credentials,
      latest_expiry: instantField(latestExpiry),
      leeway_seconds: secondsField(leeway),
      state: enumField(ClosureState, state),
      until: instantField(until),
    })),
    verifiers: verifierFields(closure.verifiers),
    exchanges: closure.exchanges.map(({ exchangeId, target }) => ({ exchange_id: exchangeId, target })),
    latest_possible_acceptance: instantField(closure.latestPossibleAcceptance),
    reached_at: instantField(closure.reachedAt),
  };
}
