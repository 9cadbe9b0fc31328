import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { notAfterOf, validityFor } from "../../src/domain/validity.ts";

const NOW = 1_800_000_000 as UnixSeconds;
const at = (seconds: number) => (NOW + seconds) as UnixSeconds;

describe("a credential ends with whatever ends first", () => {
  test.for([
    { ends: "its profile", ttlSeconds: 300, step: 900, authority: 3_600, lifetimeSeconds: 300 },
    { ends: "its step", ttlSeconds: 300, step: 120, authority: 3_600, lifetimeSeconds: 120 },
    { ends: "its authority", ttlSeconds: 300, step: 900, authority: 60, lifetimeSeconds: 60 },
    { ends: "the longest allowed lifetime", ttlSeconds: 1e9, step: 1e6, authority: 1e6, lifetimeSeconds: 3_600 },
    { ends: "the shortest allowed lifetime", ttlSeconds: 0, step: 900, authority: 3_600, lifetimeSeconds: 10 },
  ])("ends with $ends", ({ ttlSeconds, step, authority, lifetimeSeconds }) => {
    const validity = validityFor(NOW, {
      ttlSeconds,
      stepExpiresAt: at(step),
      authorityExpiresAt: at(authority),
      backdateSeconds: 5,
    });
    expect(validity).toEqual({ kind: "validity", notBefore: at(-5), expiresAt: at(lifetimeSeconds) });
  });

  test("never outlives the step or the authority, and is never shorter than is any use", () => {
    const seconds = fc.integer({ min: -10_000, max: 10_000 });
    fc.assert(
      fc.property(seconds, seconds, seconds, (ttlSeconds, step, authority) => {
        const validity = validityFor(NOW, {
          ttlSeconds,
          stepExpiresAt: at(step),
          authorityExpiresAt: at(authority),
          backdateSeconds: 10,
        });
        if (validity.kind === "denial") {
          expect(Math.min(step, authority)).toBeLessThan(LIMITS.svidTtlSecondsMin);
          return;
        }
        expect(validity.expiresAt).toBeLessThanOrEqual(Math.min(at(step), at(authority)));
        expect(validity.expiresAt - NOW).toBeGreaterThanOrEqual(LIMITS.svidTtlSecondsMin);
      }),
    );
  });

  test.for([
    { whose: "the step", step: 9, authority: 3_600, code: "STEP_EXPIRING" },
    { whose: "the authority", step: 900, authority: 9, code: "AUTHORITY_UNAVAILABLE" },
    { whose: "nobody knows", step: Number.NaN, authority: 3_600, code: "AUTHORITY_UNAVAILABLE" },
  ])("too little left of $whose is refused as $code", ({ step, authority, code }) => {
    const validity = validityFor(NOW, {
      ttlSeconds: 300,
      stepExpiresAt: at(step),
      authorityExpiresAt: at(authority),
      backdateSeconds: 5,
    });
    expect(validity).toMatchObject({ kind: "denial", code });
  });
});

test("an X.509-SVID and a JWT-SVID of one step die in the same second", () => {
  expect(notAfterOf({ expiresAt: at(300) })).toBe(at(299));
});
