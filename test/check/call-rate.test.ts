import { describe, expect, test } from "vitest";
import { createCallRate } from "../../src/check/call-rate.ts";
import type { PresentedCredential } from "../../src/check/call-request.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { virtualClock } from "../memory/virtual-clock.ts";
import { segment } from "../open/path-scene.ts";
import { checkScene } from "./check-scene.ts";

const { checkBurstPerVerifier, checkBurstPerStep, checksPerSecondPerStep, checkCredentialsKnownMax } = LIMITS;

const jwt = (token: string): PresentedCredential => ({ kind: "jwt-svid", token });

/** A rate, and a loop in which calls are asked about until one is refused. */
function rateScene() {
  const clock = virtualClock(1_800_000_000 as UnixSeconds);
  const rate = createCallRate(clock);

  /** @returns how many calls were taken, and what the next was told; `most` of them and nothing where all were. */
  function loop(verifier: string, credentialOf: (call: number) => PresentedCredential, stepId?: string, most = 1_000) {
    for (let call = 0; call < most; call += 1) {
      try {
        const taken = rate.takeCall(verifier, credentialOf(call));
        if (stepId !== undefined) taken.held(stepId);
      } catch (thrown) {
        return { taken: call, told: (thrown as Error).message };
      }
    }
    return { taken: most, told: "" };
  }
  return { clock, rate, loop };
}

describe("at one verifier", () => {
  test("an agent in a loop has half of the rate, and leaves the other half to others", () => {
    const { clock, loop } = rateScene();
    const looping = loop("verifier", () => jwt("looping"), "step-1");
    // The first call is charged to the step too, once its token has held.
    expect(looping).toEqual({ taken: checkBurstPerStep, told: expect.stringContaining("for one step") });
    expect(loop("verifier", () => jwt("other"), "step-2")).toMatchObject({ taken: checkBurstPerStep });
    clock.advance(1_000);
    expect(loop("verifier", () => jwt("looping"), "step-1")).toMatchObject({ taken: checksPerSecondPerStep });
    expect(loop("verifier", () => jwt("other"), "step-2")).toMatchObject({ taken: checksPerSecondPerStep });
  });

  test("new tokens of one step draw on the step's share", () => {
    const { loop } = rateScene();
    loop("verifier", () => jwt("first"), "step-1");
    loop("verifier", (call) => jwt(`another-${call}`), "step-1", 50);
    expect(loop("verifier", () => jwt("another-0"), "step-1")).toMatchObject({ taken: 0 });
  });

  test("a step that waits has its share again, and a step that doesn't ask too often is never refused", () => {
    const { clock, loop } = rateScene();
    for (let second = 0; second < 10; second += 1) {
      loop("verifier", () => jwt("looping"), "step-1");
      expect(loop("verifier", () => jwt("quiet"), "step-2", 50)).toMatchObject({ taken: 50 });
      clock.advance(1_000);
    }
  });

  test("as many steps as its rate allows ask once each: a credential that holds leaves room to the next new one", () => {
    const { loop } = rateScene();
    for (let step = 0; step < checkBurstPerVerifier; step += 1) {
      expect(loop("verifier", () => jwt(`of-${step}`), `step-${step}`, 1)).toMatchObject({ taken: 1 });
    }
  });

  test("steps together have no more than the verifier's rate", () => {
    const { clock, loop } = rateScene();
    const steps = Array.from({ length: 20 }, (_, step) => `step-${step}`);
    const all = steps.map((step) => loop("verifier", () => jwt(step), step, 30));
    expect(all.reduce((sum, { taken }) => sum + taken, 0)).toBe(checkBurstPerVerifier);
    expect(all.at(-1)).toEqual({ taken: 0, told: expect.stringContaining("one verifier asks") });
    clock.advance(1_000);
    expect(loop("verifier", () => jwt("step-0"), "step-0", 30)).toMatchObject({ taken: 30 });
  });

  test("what the verifier's rate refuses takes nothing of the step's share", () => {
    const { clock, rate, loop } = rateScene();
    loop("verifier", () => jwt("known"), "step-1", 1);
    clock.advance(2_000);
    for (let taken = 0; taken < checkBurstPerVerifier; taken += 1) rate.take("verifier");
    expect(loop("verifier", () => jwt("known"), "step-1")).toMatchObject({ taken: 0 });
    clock.advance(1_000);
    loop("verifier", () => jwt("other"), "step-2", 1);
    expect(loop("verifier", () => jwt("known"), "step-1")).toMatchObject({ taken: checksPerSecondPerStep * 2 - 1 });
  });

  test("a loop at one verifier disturbs none at another", () => {
    const { loop } = rateScene();
    loop("verifier", () => jwt("looping"), "step-1");
    expect(loop("other", () => jwt("looping"), "step-1")).toMatchObject({ taken: checkBurstPerStep });
  });
});

describe("made-up credentials", () => {
  test("however many there are, they have one share together", () => {
    const { loop } = rateScene();
    expect(loop("verifier", (call) => jwt(`made-up-${call}`))).toEqual({
      taken: checkBurstPerStep,
      told: expect.stringContaining("that have not held before"),
    });
    expect(loop("verifier", (call) => jwt(`others-${call}`))).toMatchObject({ taken: 0 });
  });

  test("they leave what the steps have whose credentials have held before", () => {
    const { loop } = rateScene();
    loop("verifier", () => jwt("known"), "step-1", 1);
    loop("verifier", (call) => jwt(`made-up-${call}`));
    expect(loop("verifier", () => jwt("known"), "step-1", 50)).toMatchObject({ taken: 50 });
  });

  test("no number of them pushes out a credential that has held, nor gives its step a new share", () => {
    const { clock, loop } = rateScene();
    loop("verifier", () => jwt("looping"), "step-1");
    for (let verifier = 0; verifier < 150; verifier += 1) loop(`v-${verifier}`, (call) => jwt(`${verifier}-${call}`));
    expect(loop("verifier", () => jwt("looping"), "step-1")).toMatchObject({
      taken: 0,
      told: expect.stringContaining("for one step"),
    });
    clock.advance(500);
    expect(loop("verifier", () => jwt("looping"), "step-1")).toMatchObject({ taken: checksPerSecondPerStep / 2 });
  });

  test("with a transaction token of another step: it has not held, and spends nothing of that step's", () => {
    const { loop } = rateScene();
    const pair = (witSvid: string): PresentedCredential => ({ kind: "wit-svid", witSvid, txnToken: "txn" });
    loop("verifier", () => pair("wit"), "step-1", 1);
    loop("verifier", (call) => pair(`made-up-${call}`));
    expect(loop("verifier", () => pair("wit"), "step-1", 100)).toMatchObject({ taken: 100 });
  });
});

test("of credentials that have held only the newest are known, and one that was forgotten can hold again", () => {
  const { clock, loop } = rateScene();
  loop("verifier", () => jwt("first"), "step-1");
  for (let held = 0; held < checkCredentialsKnownMax; held += 100) {
    loop(`v-${held}`, (call) => jwt(`${held}-${call}`), `step-of-${held}`, 100);
  }
  // Nobody knows whose it is, but what it has spent is still spent.
  expect(loop("verifier", () => jwt("first"), "step-1")).toMatchObject({ taken: 1 });
  clock.advance(1_000);
  expect(loop("verifier", () => jwt("first"), "step-1")).toMatchObject({ taken: checksPerSecondPerStep });
});

test("an agent in a loop at a server does not keep another agent's calls from being decided there", async () => {
  const scene = await checkScene();
  const looping = scene.jwt(await scene.mint(scene.step));
  const other = scene.jwt(await scene.mint(await scene.world.open(scene.agent, { step: segment("other") })));
  await scene.ask(looping);
  const loop = Array.from({ length: checkBurstPerVerifier }, () => scene.ask(looping));
  const told = await Promise.allSettled(loop);
  const refused = told.filter(({ status }) => status === "rejected");
  expect(refused).toHaveLength(checkBurstPerVerifier - checkBurstPerStep + 1);
  expect(refused[0]).toMatchObject({
    reason: { code: "LIMIT_EXCEEDED", message: expect.stringContaining("one step") },
  });
  expect(await scene.ask(other)).toMatchObject({ effect: "allow" });
});
