import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { setTimeout as pass } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { keepLifetimes, type Lifetimes } from "../../src/close/lifetimes.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { Step } from "../../src/domain/step.ts";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import type { ProcessWatch } from "../../src/ports/attestor.ts";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { ports, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { fakeClock, LIBRARY } from "./daemon-fake-clock.ts";
import { eventsOf, issueJwt, openStep, restarted, sessionWith, startOwnDaemon, stateOf } from "./daemon-scene.ts";

const DOWN_SECONDS = 12;

describe("what lapsed while the daemon was down", () => {
  test("is closed at its start, with its event; what did not goes on, and what was held may be held again", {
    timeout: 60_000,
  }, async () => {
    const clock = fakeClock();
    const daemon = await startOwnDaemon({ environment: clock.environment });
    const session = sessionWith(daemon);
    const executor = spawn(process.execPath, ["--eval", "process.stdin.resume()"], {
      stdio: ["pipe", "ignore", "inherit"],
    });
    const pid = executor.pid ?? 0;

    const opened = {
      expired: await openStep(session, "expired", {
        // The soonest there is.
        expiresAt: { seconds: BigInt(Math.floor(Date.now() / 1_000) + DOWN_SECONDS), nanos: 0 },
      }),
      leased: await openStep(session, "leased", { lease: { seconds: 5n, nanos: 0 } }),
      orphaned: await openStep(session, "orphaned", { executor: { executor: { case: "pid", value: pid } } }),
      held: await openStep(session, "held"),
      kept: await openStep(session, "kept"),
    };
    await issueJwt(session, opened.expired.stepId);
    await session.steps.hold({ stepId: opened.held.stepId }).next();
    await daemon.kill();
    executor.kill("SIGKILL");
    await once(executor, "exit");
    if (LIBRARY === undefined) await pass(DOWN_SECONDS * 1_000);
    else clock.set(DOWN_SECONDS);

    const again = sessionWith(await restarted(daemon));
    const hold = again.steps.hold({ stepId: opened.held.stepId });
    expect((await hold.next()).value?.step?.state).toBe(StepState.OPEN);
    await eventually(() => stateOf(again, opened.expired.stepId)).toBe(StepState.EXPIRED);
    await eventually(() => stateOf(again, opened.leased.stepId)).toBe(StepState.ABANDONED);
    await eventually(() => stateOf(again, opened.orphaned.stepId)).toBe(StepState.ABANDONED);
    expect(await stateOf(again, opened.held.stepId)).toBe(StepState.OPEN);
    expect(await stateOf(again, opened.kept.stepId)).toBe(StepState.OPEN);

    const closes = await eventsOf(again, "step.closed");
    const closeOf = (name: keyof typeof opened) => closes.filter((event) => event["stepId"] === opened[name].stepId);
    const by = (cause: string) => ({ kind: "broker", cause });
    expect(closeOf("expired")).toMatchObject([{ state: "EXPIRED", by: by("expiry"), revoked: expect.any(Number) }]);
    expect(closeOf("leased")).toMatchObject([{ state: "ABANDONED", by: by("lease") }]);
    expect(closeOf("orphaned")).toMatchObject([{ state: "ABANDONED", by: by("executor") }]);
    expect(closes).toHaveLength(3);
  });
});

describe("by a clock that a test can turn,", () => {
  const nobodyEnds: ProcessWatch = { watch: () => () => undefined, find: () => undefined };
  let world: World;
  let step: Step;

  beforeEach(async () => {
    const own = ports();
    world = worldOf(await openMemoryLedger(own), own);
    step = await world.open(await world.agent());
  });
  afterEach(() => world.store.close());

  async function started(): Promise<Lifetimes> {
    const { ledger, projections } = world.store;
    const failed = (error: unknown) => expect.fail(String(error));
    return keepLifetimes({ ledger, projections, processes: nobodyEnds, clock: world.clock, failed });
  }

  /** After everything that was set off is recorded. */
  async function stateNow(): Promise<string> {
    await new Promise((resolve) => setImmediate(resolve));
    return (await world.step(step.stepId)).state;
  }

  test("a held step that nobody holds again after a restart is abandoned after its 30 s, and not before", async () => {
    await world.ledger.perform({ act: "hold-step", stepId: step.stepId, now: world.clock.now() });
    await started();
    world.clock.advance(LIMITS.holdGraceAfterRestartMs - 1);
    expect(await stateNow()).toBe("OPEN");
    world.clock.advance(1);
    expect(await stateNow()).toBe("ABANDONED");
    expect(LIMITS.holdGraceAfterRestartMs).toBe(30_000);
  });

  test("one that is held again stays, until its holder is gone for the ordinary grace", async () => {
    await world.ledger.perform({ act: "hold-step", stepId: step.stepId, now: world.clock.now() });
    const lifetimes = await started();
    world.clock.advance(LIMITS.holdGraceAfterRestartMs - 1);
    const release = lifetimes.hold(step.stepId);
    world.clock.advance(60_000);
    expect(await stateNow()).toBe("OPEN");
    release();
    world.clock.advance(LIMITS.holdGraceMs - 1);
    expect(await stateNow()).toBe("OPEN");
    world.clock.advance(1);
    expect(await stateNow()).toBe("ABANDONED");
  });

  test("one that was never held needs no hold after a restart", async () => {
    await started();
    world.clock.advance(LIMITS.holdGraceAfterRestartMs + 1);
    expect(await stateNow()).toBe("OPEN");
  });
});
