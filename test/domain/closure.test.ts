import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  CLOSURE_STATES,
  type ClosedCredentials,
  type ClosureFacts,
  closureOf,
  type StandingVerifier,
} from "../../src/domain/closure.ts";
import { microsOf, type UnixMicros, type UnixSeconds } from "../../src/domain/time.ts";

const START = 1_800_000_000 as UnixSeconds;
const AUDIENCES = ["https://a.example/mcp", "https://b.example/mcp", "https://c.example/mcp"] as const;
const [A, B] = AUDIENCES;

function at(seconds: number): UnixMicros {
  return microsOf((START + seconds) as UnixSeconds);
}

function expiring(audience: string | undefined, seconds: number): ClosedCredentials {
  const latestExpiry = (START + seconds) as UnixSeconds;
  return { ...(audience === undefined ? {} : { audience }), credentials: 1, latestExpiry };
}

function verifier(audience: string, rest: Partial<StandingVerifier>): StandingVerifier {
  return { verifier: "mcp", audiences: [audience], watches: true, state: "PENDING", ...rest };
}

function facts(given: Partial<ClosureFacts>): ClosureFacts {
  return {
    closed: [],
    closedAt: at(0),
    verifiers: [],
    exchanges: [],
    leewayOf: (_audience, isWatched) => (isWatched ? 5 : 60),
    now: at(1),
    ...given,
  };
}

describe("a closure says how far it is certain that nobody accepts what was closed", () => {
  test("a step without credentials is closed by its close", () => {
    expect(closureOf(facts({}))).toMatchObject({ state: "CLOSED", latestPossibleAcceptance: at(0) });
  });

  test("an audience that nobody watches is unknown until a minute after the last expiry", () => {
    const closed = [expiring(A, 100)];
    expect(closureOf(facts({ closed, now: at(159) }))).toMatchObject({
      state: "UNKNOWN",
      latestPossibleAcceptance: at(160),
    });
    expect(closureOf(facts({ closed, now: at(160) })).state).toBe("CLOSED");
  });

  test("a verifier that has not applied is named, with the latest instant at which it accepts", () => {
    const closed = [expiring(A, 100), expiring(B, 100)];
    const verifiers = [
      verifier(A, { state: "APPLIED", appliedAt: at(1) }),
      verifier(B, { state: "DISCONNECTED", lapsesAt: at(15) }),
    ];
    const closure = closureOf(facts({ closed, verifiers, now: at(2) }));
    expect(closure).toMatchObject({ state: "PARTIAL", latestPossibleAcceptance: at(15) });
    expect(closure.places.map(({ state, until }) => ({ state, until }))).toEqual([
      { state: "CLOSED", until: at(1) },
      { state: "PARTIAL", until: at(15) },
    ]);
  });

  test("one that is connected and says nothing may accept until its leeway is over, whenever it would lapse", () => {
    const verifiers = [verifier(A, { state: "PENDING", lapsesAt: at(15) })];
    const closure = closureOf(facts({ closed: [expiring(A, 100)], verifiers }));
    expect(closure).toMatchObject({ state: "PARTIAL", latestPossibleAcceptance: at(105) });
  });

  test("what names no audience is unknown though every verifier has applied", () => {
    const verifiers = [verifier(A, { state: "APPLIED", appliedAt: at(1) })];
    const closure = closureOf(facts({ closed: [expiring(undefined, 100)], verifiers, now: at(2) }));
    expect(closure).toMatchObject({ state: "UNKNOWN", latestPossibleAcceptance: at(160) });
    expect(closure.verifiers).toHaveLength(1);
  });

  test("a disabled verifier is waited for, and watches for nobody", () => {
    const off = verifier(A, { watches: false, state: "DISCONNECTED", lapsesAt: at(15) });
    const on = verifier(A, { state: "APPLIED", appliedAt: at(1) });
    const closed = [expiring(A, 100)];
    expect(closureOf(facts({ closed, verifiers: [off] })).state).toBe("UNKNOWN");
    expect(closureOf(facts({ closed, verifiers: [off, on] })).state).toBe("PARTIAL");
  });

  test("an exchange that nobody confirms is unknown for good", () => {
    const exchanges = [{ exchangeId: "exc_1", target: "vault" }];
    expect(closureOf(facts({ exchanges, now: at(1_000_000) })).state).toBe("UNKNOWN");
  });

  test("verifiers that accept nothing of it are left out", () => {
    const verifiers = [verifier(B, {})];
    expect(closureOf(facts({ closed: [expiring(A, 100)], verifiers })).verifiers).toEqual([]);
  });
});

const seconds = fc.integer({ min: 0, max: 400 });
const state = fc.constantFrom("APPLIED", "PENDING", "DISCONNECTED", "LAPSED");
const anyVerifier = fc
  .record({
    verifier: fc.constantFrom("mcp-1", "mcp-2", "mcp-3"),
    audiences: fc.subarray([...AUDIENCES], { minLength: 1 }),
    watches: fc.boolean(),
    state,
    lapsesAt: seconds.map(at),
  })
  .map((one) => {
    if (one.state === "APPLIED") return { ...one, appliedAt: at(0) };
    return one.state === "LAPSED" ? { ...one, lapsesAt: at(0) } : one;
  });
const anyClosed = fc
  .uniqueArray(fc.option(fc.constantFrom(...AUDIENCES), { nil: undefined }))
  .chain((audiences) => fc.tuple(...audiences.map((one) => seconds.map((expiry) => expiring(one, expiry)))));
const anyFacts = fc
  .record({
    closed: anyClosed,
    verifiers: fc.array(anyVerifier, { maxLength: 4 }),
    exchanges: fc.array(fc.record({ exchangeId: fc.constant("exc_1"), target: fc.constant("vault") }), {
      maxLength: 2,
    }),
    now: seconds.map(at),
  })
  .map((given) => ({ ...given, verifiers: given.verifiers.map((one) => lapsed(one, given.now)) }));

/** As a verifier is told of at an instant: whoever is not connected has lapsed once its bound is over. */
function lapsed<Verifier extends StandingVerifier>(one: Verifier, now: UnixMicros): Verifier {
  return one.state === "DISCONNECTED" && one.lapsesAt !== undefined && one.lapsesAt <= now
    ? { ...one, state: "LAPSED" }
    : one;
}

describe("for any close", () => {
  test("a closure only moves towards closed while verifiers apply or lapse, exchanges end and time goes on", () => {
    const later = fc.record({
      seconds,
      settle: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      ended: fc.nat(2),
    });
    fc.assert(
      fc.property(anyFacts, later, (given, { seconds: passed, settle, ended }) => {
        const before = closureOf(facts(given));
        const now = (given.now + passed * 1_000_000) as UnixMicros;
        const verifiers = given.verifiers.map((each, index) => {
          const one = lapsed(each, now);
          const isSettled = one.state === "APPLIED" || one.state === "LAPSED";
          return isSettled || settle[index] !== true
            ? one
            : { ...one, state: "APPLIED" as const, appliedAt: given.now };
        });
        const after = closureOf(facts({ ...given, verifiers, exchanges: given.exchanges.slice(ended), now }));
        const rank = ({ state: one }: { readonly state: (typeof CLOSURE_STATES)[number] }) =>
          CLOSURE_STATES.indexOf(one);
        expect(rank(after)).toBeLessThanOrEqual(rank(before));
        after.places.forEach((place, index) => {
          const earlier = before.places[index];
          expect(earlier).toBeDefined();
          if (earlier !== undefined) expect(rank(place)).toBeLessThanOrEqual(rank(earlier));
        });
        expect(after.latestPossibleAcceptance).toBeLessThanOrEqual(before.latestPossibleAcceptance);
      }),
    );
  });

  test("time alone ends in closed, unless an exchange is unconfirmed", () => {
    fc.assert(
      fc.property(anyFacts, (given) => {
        const { state: last, latestPossibleAcceptance } = closureOf(facts({ ...given, now: at(461) }));
        expect(last).toBe(given.exchanges.length === 0 ? "CLOSED" : "UNKNOWN");
        expect(latestPossibleAcceptance).toBeLessThanOrEqual(at(461));
      }),
    );
  });

  test("it is closed at the latest when it says", () => {
    fc.assert(
      fc.property(anyFacts, (given) => {
        const { latestPossibleAcceptance } = closureOf(facts({ ...given, exchanges: [] }));
        const now = Math.max(given.now, latestPossibleAcceptance) as UnixMicros;
        const verifiers = given.verifiers.map((one) => lapsed(one, now));
        expect(closureOf(facts({ ...given, verifiers, exchanges: [], now })).state).toBe("CLOSED");
      }),
    );
  });
});
