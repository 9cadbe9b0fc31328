import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { VerificationError, type Verifier } from "../../../src/sdk/verifier/index.ts";
import { ecSigner, mint, NOW, SUBJECT } from "../../verify/token-forge.ts";
import type { ManualClock } from "./manual-clock.ts";

/** A broker as a verifier hears of it, and the verifier. What the test does is done at once; what is heard may come later. */
export type HeardBroker = {
  readonly verifier: Verifier;
  readonly clock: ManualClock;
  /** The broker records an end, and tells it. */
  end(stepId: string): void;
  /** From now on nothing of the broker comes through, until called with `false`: then it goes on as it would. */
  cut(isCut: boolean): void;
  /** The verifier loses what the broker tells next, where that can be. */
  loseNext(): void;
  /** Says by the broker's clock that all was told, where that has to be said. @param atMs - the broker's time */
  beat(atMs: number): void;
};

export const own = ecSigner("own");
/** A step's name and its token. */
const stepOf = (number: number) => {
  const stepId = `step_${number}`;
  const claims = { exp: NOW + 100_000, step_id: stepId, sub: `${SUBJECT}${number}`, attempt: Number(`1${number}`) };
  return { stepId, token: mint(own, { claims: { ...claims, jti: `token-${number}` } }) };
};
const steps = Array.from({ length: 12 }, (_, number) => stepOf(number));
const [going, ended, other] = steps as [(typeof steps)[0], (typeof steps)[0], (typeof steps)[0]];

export const NOW_MS = NOW * 1_000;
const WRITE_MS = 15_000;
const READ_MS = 60_000;

type Actions = readonly ("read" | "write")[];

function judged(verifier: Verifier, token: string, actions: Actions = ["write"]): string {
  try {
    verifier.verify(token, { actions });
    return "accepted";
  } catch (thrown) {
    if (thrown instanceof VerificationError) return thrown.code;
    throw thrown;
  }
}

/**
 * What a verifier promises that is told of ends as they come, by whatever it is told.
 *
 * @param marginMs - how much younger than its bound its knowledge must be, since it does not know better how old it is.
 */
export function revocationContract(marginMs: number, open: () => Promise<HeardBroker>): void {
  async function ready() {
    const broker = await open();
    const { verifier, clock, beat } = broker;
    let realMs = NOW_MS;
    /** More than a bound passes, in which the verifier hears what the broker says, and then it can tell. */
    const confirmed = async () => {
      const startMs = realMs;
      await vi.waitFor(
        () => {
          clock.advance(250);
          realMs += 250;
          beat(realMs);
          expect(realMs - startMs).toBeGreaterThan(WRITE_MS);
          expect(verifier.status().refusal).toBeUndefined();
          expect(verifier.status().stalenessSeconds).toBeLessThan(6);
        },
        { interval: 1, timeout: 20_000 },
      );
    };
    await confirmed();
    return {
      ...broker,
      confirmed,
      realMs: () => realMs,
      advance(ms: number) {
        realMs += ms;
        broker.clock.advance(ms);
      },
      suspend(ms: number) {
        realMs += ms;
        broker.clock.suspend(ms);
      },
    };
  }

  test("before it has heard all, everything is refused", async () => {
    const { verifier, cut } = await open();
    cut(true);
    expect(judged(verifier, going.token)).toBe("NOT_READY");
  });

  test("an end is refused once it is heard, and aborts what watches it; others are not", async () => {
    const { verifier, end } = await ready();
    const watched = verifier.signalFor(verifier.verify(ended.token));
    end(ended.stepId);
    await vi.waitFor(() => expect(judged(verifier, ended.token)).toBe("REVOKED"));
    expect(watched.signal.reason).toMatchObject({ code: "REVOKED", metadata: { state: "COMPLETED" } });
    expect(judged(verifier, going.token)).toBe("accepted");
  });

  test.for([
    { action: "write", boundMs: WRITE_MS },
    { action: "read", boundMs: READ_MS },
  ] as const)("what it knows is believed to $action until its bound, and not a moment longer", async (given) => {
    const { verifier, cut, advance } = await ready();
    cut(true);
    const ageMs = Number(verifier.status().stalenessSeconds) * 1_000;
    expect(ageMs).toBeGreaterThanOrEqual(marginMs);
    advance(given.boundMs - ageMs);
    expect(judged(verifier, going.token, [given.action])).toBe("accepted");
    advance(1);
    expect(judged(verifier, going.token, [given.action])).toBe("STALE");
  });

  test("a machine that was suspended for that long refuses at once, also where its clock was set back", async () => {
    const { verifier, cut, suspend, clock } = await ready();
    cut(true);
    suspend(WRITE_MS + 1);
    clock.setWall(NOW_MS);
    expect(judged(verifier, going.token)).toBe("STALE");
  });

  test("a virtual machine that was stopped for that long refuses once its clock is right", async () => {
    const { verifier, cut, clock } = await ready();
    cut(true);
    clock.stop(WRITE_MS + 1);
    expect(judged(verifier, going.token)).toBe("STALE");
  });

  test("a clock that is behind the broker's by more than the skew refuses", async () => {
    const { verifier, cut, clock } = await ready();
    cut(true);
    clock.setWall(clock.wallMs() - 5_500);
    expect(judged(verifier, going.token)).toBe("CLOCK_SKEWED");
  });

  test("what ended while nothing came through is refused before anything is believed again", async () => {
    const { verifier, cut, end, advance, confirmed } = await ready();
    cut(true);
    end(ended.stepId);
    advance(WRITE_MS + 1);
    expect(judged(verifier, ended.token)).toBe("STALE");
    cut(false);
    await confirmed();
    expect(judged(verifier, ended.token)).toBe("REVOKED");
    expect(judged(verifier, going.token)).toBe("accepted");
  });

  test("one end that was lost among others is made up for, or nothing is believed any more", async () => {
    const { verifier, loseNext, end, confirmed } = await ready();
    loseNext();
    end(ended.stepId);
    end(other.stepId);
    await confirmed();
    expect(judged(verifier, other.token)).toBe("REVOKED");
    expect(judged(verifier, ended.token)).toBe("REVOKED");
  });

  // Goal: a verifier never believes longer than its bound; who can't tell refuses.
  // Method: fast-check draws ends, cuts, losses, time, suspensions and clocks that are set; whatever the verifier hears of that, nothing is
  // accepted that ended a bound ago. A failure prints its seed.
  test("nothing is accepted that ended a bound ago, whatever comes through", { timeout: 120_000 }, async () => {
    const act = fc.oneof(
      { weight: 3, arbitrary: fc.record({ do: fc.constant("end" as const), step: fc.integer({ min: 1, max: 11 }) }) },
      {
        weight: 3,
        arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 1, max: 9_000 }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant("suspend" as const), ms: fc.integer({ min: 1, max: 20_000 }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant("set" as const), ms: fc.integer({ min: -9_000, max: 9_000 }) }),
      },
      { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("cut" as const, "mend" as const, "lose" as const) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("beat" as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 30 }), async (acts) => {
        const broker = await ready();
        const { verifier, clock, realMs } = broker;
        const endedAt = new Map<number, number>();
        for (const one of acts) {
          if (one.do === "end" && !endedAt.has(one.step)) {
            endedAt.set(one.step, realMs());
            broker.end(steps[one.step]?.stepId ?? "");
          }
          if (one.do === "advance") broker.advance(one.ms);
          if (one.do === "suspend") broker.suspend(one.ms);
          if (one.do === "set") clock.setWall(realMs() + one.ms);
          if (one.do === "cut" || one.do === "mend") broker.cut(one.do === "cut");
          if (one.do === "lose") broker.loseNext();
          if (one.do === "beat") broker.beat(realMs());
          // What is on its way may come or not.
          await new Promise((resolve) => void setImmediate(resolve));
          for (const [step, at] of endedAt) {
            if (realMs() - at > WRITE_MS) expect(judged(verifier, steps[step]?.token ?? "")).not.toBe("accepted");
          }
        }
        broker.cut(false);
        clock.setWall(realMs());
        await broker.confirmed();
        for (const step of endedAt.keys()) expect(judged(verifier, steps[step]?.token ?? "")).toBe("REVOKED");
        expect(judged(verifier, going.token)).toBe("accepted");
        verifier.close();
      }),
      { numRuns: 40 },
    );
  });
}
