import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { countingSuspension, SYSTEM_CLOCK } from "../../../src/sdk/verifier/clock.ts";

/** The kernel tells hundredths of a second. */
const UPTIME_STEP_MS = 10;

/** A machine of Linux: what its clocks tell, and how often its uptime was asked. */
function machine() {
  let [wall, running, up, asked] = [1_700_000_000_000, 42, 7_000_000, 0];
  const monotonicMs = countingSuspension({
    wallMs: () => wall,
    runningMs: () => running,
    uptimeMs() {
      asked += 1;
      return Math.floor(up / UPTIME_STEP_MS) * UPTIME_STEP_MS;
    },
  });
  const startMs = monotonicMs();
  return {
    elapsedMs: () => monotonicMs() - startMs,
    asked: () => asked,
    run(ms: number) {
      wall += ms;
      running += ms;
      up += ms;
    },
    suspend(ms: number) {
      wall += ms;
      up += ms;
    },
    setWall(byMs: number) {
      wall += byMs;
    },
  };
}

describe("a clock that counts suspension", () => {
  test("has counted a suspension when it is next asked", () => {
    const { suspend, elapsedMs } = machine();
    suspend(20_000);
    expect(elapsedMs()).toBeCloseTo(20_000, -1);
  });

  test("is not moved by a wall clock that is set", () => {
    const { setWall, run, elapsedMs } = machine();
    setWall(-3_600_000);
    run(500);
    expect(elapsedMs()).toBeCloseTo(500, -1);
  });

  test("does not ask for the uptime each time", () => {
    const { run, elapsedMs, asked } = machine();
    const before = asked();
    for (let count = 0; count < 999; count += 1) {
      run(1);
      elapsedMs();
    }
    expect(asked() - before).toBe(0);
  });

  // Goal: no setting of the wall clock hides a suspension from it for longer than a second.
  // Method: fast-check draws runs, suspensions and settings; after a second of running it has counted what passed, to the uptime's step, and
  // it never goes back.
  test("has counted all that passed a second later, whatever the wall clock was set to, and never goes back", () => {
    const act = fc.record({
      do: fc.constantFrom("run" as const, "suspend" as const, "setWall" as const),
      ms: fc.integer({ min: 0, max: 20_000 }),
    });
    fc.assert(
      fc.property(fc.array(act), (acts) => {
        const one = machine();
        let passedMs = 0;
        let lastMs = 0;
        for (const { do: what, ms } of [...acts, { do: "run" as const, ms: 1_000 }]) {
          if (what === "setWall") one.setWall(-ms);
          else {
            one[what](ms);
            passedMs += ms;
          }
          const elapsedMs = one.elapsedMs();
          expect(elapsedMs).toBeGreaterThanOrEqual(lastMs);
          lastMs = elapsedMs;
        }
        expect(Math.abs(lastMs - passedMs)).toBeLessThanOrEqual(UPTIME_STEP_MS);
      }),
    );
  });
});

test("the system's clock goes forward as the process runs", async () => {
  const before = SYSTEM_CLOCK.monotonicMs();
  await new Promise<void>((resolve) => void SYSTEM_CLOCK.schedule(5, resolve));
  expect(SYSTEM_CLOCK.monotonicMs()).toBeGreaterThan(before);
});
