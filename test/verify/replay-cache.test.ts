import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { createReplayCache } from "../../src/verify/replay-cache.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import { NOW } from "./token-forge.ts";

const later = (seconds: number) => (NOW + seconds) as UnixSeconds;

describe("a replay cache", () => {
  test("takes a proof once, for as long as it is kept", () => {
    const cache = createReplayCache({ keepSeconds: 65, capacity: 10, holderCapacity: 10 });
    cache.use("holder", "a", NOW);
    for (const seconds of [0, 1, 64]) {
      expect(() => cache.use("holder", "a", later(seconds))).toThrow(
        expect.objectContaining({ code: "PROOF_REPLAYED" }),
      );
    }
    cache.use("holder", "a", later(65));
  });

  test("does not take the proof of one key for that of another", () => {
    const cache = createReplayCache({ keepSeconds: 65, capacity: 10, holderCapacity: 10 });
    cache.use("holder", "a", NOW);
    cache.use("other", "a", NOW);
    expect(cache.size).toBe(2);
  });

  test("that is full refuses, rather than forget one that could come again", () => {
    const cache = createReplayCache({ keepSeconds: 65, capacity: 2, holderCapacity: 2 });
    cache.use("holder", "a", NOW);
    cache.use("other", "b", later(1));
    const refused = expect.objectContaining({ code: "OVERLOADED" });
    expect(() => cache.use("third", "c", later(64))).toThrow(refused);
    expect(() => cache.use("holder", "a", later(64))).toThrow(expect.objectContaining({ code: "PROOF_REPLAYED" }));
    cache.use("third", "c", later(65));
    expect(() => cache.use("third", "d", later(65))).toThrow(refused);
  });

  test("gives one key a share of its room, and the others what is left", () => {
    const cache = createReplayCache({ keepSeconds: 65, capacity: 10, holderCapacity: 2 });
    cache.use("flood", "a", NOW);
    cache.use("flood", "b", NOW);
    expect(() => cache.use("flood", "c", NOW)).toThrow(expect.objectContaining({ code: "OVERLOADED" }));
    cache.use("other", "a", NOW);
    cache.use("flood", "c", later(65));
  });

  test("gives a key its share back one by one, as its proofs are forgotten", () => {
    const cache = createReplayCache({ keepSeconds: 65, capacity: 10, holderCapacity: 3 });
    const full = expect.objectContaining({ code: "OVERLOADED" });
    for (const [seconds, jti] of ["a", "b", "c"].entries()) cache.use("holder", jti, later(seconds));
    expect(() => cache.use("holder", "d", later(64))).toThrow(full);
    cache.use("holder", "d", later(65));
    expect(() => cache.use("holder", "e", later(65))).toThrow(full);
    cache.use("holder", "e", later(66));
    expect(() => cache.use("holder", "f", later(66))).toThrow(full);
    for (const jti of ["f", "g", "h"]) cache.use("holder", jti, later(200));
    expect(() => cache.use("holder", "i", later(200))).toThrow(full);
  });

  test("never takes a proof twice within its time, and never holds more than it may", () => {
    const use = fc.record({
      holder: fc.integer({ max: 3, min: 0 }),
      jti: fc.integer({ max: 20, min: 0 }),
      wait: fc.nat(9),
    });
    fc.assert(
      fc.property(fc.array(use, { maxLength: 200 }), (uses) => {
        const cache = createReplayCache({ keepSeconds: 20, capacity: 12, holderCapacity: 5 });
        const taken = new Map<string, number>();
        let now: number = NOW;
        for (const { holder, jti, wait } of uses) {
          now += wait;
          const id = `${holder} ${jti}`;
          try {
            cache.use(String(holder), String(jti), now as UnixSeconds);
            expect(now - (taken.get(id) ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(20);
            taken.set(id, now);
          } catch (thrown) {
            if (!(thrown instanceof VerificationError)) throw thrown;
          }
          expect(cache.size).toBeLessThanOrEqual(12);
        }
      }),
    );
  });
});
