import { LIMITS } from "./limits.ts";
import type { SignedReceipt } from "./signed-receipt.ts";
import { addSeconds, microsOf, type UnixMicros, type UnixSeconds } from "./time.ts";

/**
 * How far it is certain that nobody accepts any more what a closed step held. `CLOSED`: nobody does. `PARTIAL`: verifiers
 * may whom the broker knows by name. `UNKNOWN`: somebody may whom nobody can name.
 */
export const CLOSURE_STATES = ["CLOSED", "PARTIAL", "UNKNOWN"] as const;
export type ClosureState = (typeof CLOSURE_STATES)[number];

/** Credentials that were closed, by where they are accepted. */
export type ClosedCredentials = {
  /** Absent of credentials without an audience (X.509- and WIT-SVIDs): they are accepted wherever the bundle is. */
  readonly audience?: string;
  readonly credentials: number;
  /** Of the credential that expires last; exclusive. */
  readonly latestExpiry: UnixSeconds;
};

/** Where a verifier stands to one close. */
export type StandingVerifier = {
  readonly verifier: string;
  readonly audiences: readonly string[];
  /** Whether it is known to be on the feed. One that never was, or is disabled, says nothing about who accepts there. */
  readonly watches: boolean;
  /**
   * `APPLIED`: all its processes refuse what was closed. `LAPSED`: they refuse everything. `PENDING`: one of them is
   * connected and has not said that it refuses. `DISCONNECTED`: one may be left that is not connected.
   */
  readonly state: "APPLIED" | "PENDING" | "DISCONNECTED" | "LAPSED";
  readonly appliedAt?: UnixMicros;
  /** When it refuses everything, unless it applies first; of one that is connected each sign of life puts it off. */
  readonly lapsesAt?: UnixMicros;
  /** Of one that has applied, where it signed that. */
  readonly signed?: SignedReceipt;
};

/** A secret of another system that a closed step had, of which that system has not confirmed that it ended. */
export type UnconfirmedExchange = { readonly exchangeId: string; readonly target: string };

export type ClosurePlace = ClosedCredentials & {
  readonly state: ClosureState;
  /** For how long after its expiry a credential may be accepted there. */
  readonly leewaySeconds: number;
  /** From here on nobody accepts anything of it there; not in the future where it is CLOSED. */
  readonly until: UnixMicros;
};

export type Closure = {
  readonly state: ClosureState;
  readonly places: readonly ClosurePlace[];
  /** Those who could accept something of it. */
  readonly verifiers: readonly StandingVerifier[];
  readonly exchanges: readonly UnconfirmedExchange[];
  /** From here on no credential is accepted anywhere. Exchanges are left out: they live by rules of other systems. */
  readonly latestPossibleAcceptance: UnixMicros;
};

export type ClosureFacts = {
  readonly closed: readonly ClosedCredentials[];
  readonly closedAt: UnixMicros;
  readonly verifiers: readonly StandingVerifier[];
  readonly exchanges: readonly UnconfirmedExchange[];
  readonly leewayOf: Leeway;
  readonly now: UnixMicros;
};

/**
 * For how many seconds after its expiry a credential may be accepted at an audience.
 *
 * @param isWatched - whether those who accept it there are verifiers of the broker.
 */
export type Leeway = (audience: string | undefined, isWatched: boolean) => number;

/** The leeway of verifiers of the broker where those watch, and of other libraries elsewhere; settings come first. */
export function leewayBy(seconds: ReadonlyMap<string, number>): Leeway {
  return (audience, isWatched) =>
    (audience === undefined ? undefined : seconds.get(audience)) ??
    (isWatched ? LIMITS.verifierLeewaySeconds : LIMITS.foreignLeewaySeconds);
}

/**
 * What is certain of a close. It only moves towards CLOSED while verifiers apply or lapse, exchanges end and time goes on;
 * where no exchange is unconfirmed, time alone makes it CLOSED.
 */
export function closureOf(facts: ClosureFacts): Closure {
  const { closed, closedAt, exchanges } = facts;
  const verifiers = facts.verifiers.filter((one) => closed.some(({ audience }) => accepts(one, audience)));
  const places = closed.map((credentials) => placeOf(credentials, { ...facts, verifiers }));
  return {
    state: stateOfAll(places, exchanges),
    places,
    verifiers,
    exchanges,
    latestPossibleAcceptance: Math.max(closedAt, ...places.map(({ until }) => until)) as UnixMicros,
  };
}

/** The state of a close, by what became of its places and exchanges: the worst of them. */
export function stateOfAll(
  places: readonly Pick<ClosurePlace, "state">[],
  exchanges: readonly UnconfirmedExchange[],
): ClosureState {
  const states = [...places.map(({ state }) => state), ...exchanges.map(() => "UNKNOWN" as const)];
  return CLOSURE_STATES.findLast((state) => states.includes(state)) ?? "CLOSED";
}

function accepts({ audiences }: StandingVerifier, audience: string | undefined): boolean {
  return audience === undefined || audiences.includes(audience);
}

function placeOf(
  closed: ClosedCredentials,
  { closedAt, verifiers, leewayOf, now }: Omit<ClosureFacts, "closed" | "exchanges">,
): ClosurePlace {
  const { audience, latestExpiry } = closed;
  const there = verifiers.filter((one) => accepts(one, audience));
  // Whoever has the bundle may accept what names no audience: those who are known are never all.
  const isWatched = audience !== undefined && there.some(({ watches }) => watches);
  const leewaySeconds = leewayOf(audience, isWatched);
  const untilExpiry = microsOf(addSeconds(latestExpiry, leewaySeconds));
  const place = { ...closed, leewaySeconds };
  const isOver = now >= untilExpiry;
  if (!isWatched) return { ...place, state: isOver ? "CLOSED" : "UNKNOWN", until: untilExpiry };
  const open = there.filter(isOpen);
  if (open.length === 0) {
    const refusing = there.map(({ appliedAt, lapsesAt }) => appliedAt ?? lapsesAt ?? closedAt);
    return {
      ...place,
      state: "CLOSED",
      until: Math.min(now, untilExpiry, Math.max(closedAt, ...refusing)) as UnixMicros,
    };
  }
  if (isOver) return { ...place, state: "CLOSED", until: untilExpiry };
  const until = Math.max(...open.map((one) => Math.min(lastOf(one, untilExpiry), untilExpiry))) as UnixMicros;
  return { ...place, state: "PARTIAL", until };
}

/**
 * A closure that was CLOSED at an instant, and is for good: who has come since, or comes again, refuses everything before
 * it has applied the feed.
 */
export function reachedClosure(closure: Closure, reachedAt: UnixMicros): Closure {
  const until = (instant: UnixMicros) => Math.min(instant, reachedAt) as UnixMicros;
  return {
    state: "CLOSED",
    places: closure.places.map((place) => ({ ...place, state: "CLOSED", until: until(place.until) })),
    verifiers: closure.verifiers.map((one) => (isOpen(one) ? { ...one, state: "LAPSED", lapsesAt: reachedAt } : one)),
    exchanges: [],
    latestPossibleAcceptance: until(closure.latestPossibleAcceptance),
  };
}

function isOpen({ state }: StandingVerifier): boolean {
  return state === "PENDING" || state === "DISCONNECTED";
}

/** Until when a verifier that has not applied a close may accept what was closed. */
function lastOf({ state, lapsesAt }: StandingVerifier, untilExpiry: UnixMicros): UnixMicros {
  // One that is connected stays fresh for as long as it asks, whether or not it ever says what it has applied.
  return state === "PENDING" ? untilExpiry : (lapsesAt ?? untilExpiry);
}
