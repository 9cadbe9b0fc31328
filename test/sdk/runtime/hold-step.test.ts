import { describe, expect, onTestFinished, test, vi } from "vitest";
import { BrokerError } from "../../../src/domain/errors.ts";
import { StepState } from "../../../src/gen/stint/v1/types_pb.js";
import { serviceErrorOf } from "../../../src/wire/service-error.ts";
import { aborted, scriptedBroker, thrownBy } from "./scripted-broker.ts";

const STEP = { runId: "run-1", step: "search" } as const;

describe("the hold of an open step", () => {
  test.for(["SUPERSEDED", "REVOKED", "EXPIRED", "ABANDONED"] as const)(
    "aborts its signal when the step ends as %s under it",
    async (state) => {
      const broker = await scriptedBroker();
      const step = await broker.stint().openStep(STEP);
      broker.end(step.stepId, StepState[state]);
      expect(await aborted(step.signal)).toMatchObject({ reason: "STEP_CLOSED", metadata: { state } });
      expect(await thrownBy(step.jwtSvid("https://mcp.example.com/mcp"))).toMatchObject({ metadata: { state } });
    },
  );

  test("takes a state it does not know for closed", async () => {
    const broker = await scriptedBroker();
    const step = await broker.stint().openStep(STEP);
    broker.end(step.stepId, 99 as StepState);
    expect(await aborted(step.signal)).toMatchObject({ metadata: { state: "UNKNOWN" } });
  });

  test("is found again after the broker was away for less than its grace", async () => {
    const broker = await scriptedBroker();
    const step = await broker.stint({ holdGraceMs: 20_000 }).openStep(STEP);
    broker.stop();
    await broker.start();
    await vi.waitFor(() => expect(broker.held()).toBe(1), { timeout: 10_000 });
    expect(step.signal.aborted).toBe(false);
    broker.end(step.stepId, StepState.REVOKED);
    expect(await aborted(step.signal)).toMatchObject({ metadata: { state: "REVOKED" } });
  });

  test("may be lost once more, however long it lasted before", async () => {
    const broker = await scriptedBroker();
    const step = await broker.stint({ holdGraceMs: 20_000 }).openStep(STEP);
    const started = performance.now();
    const now = performance.now.bind(performance);
    const clock = vi.spyOn(performance, "now").mockImplementation(() => now() + 60_000);
    onTestFinished(() => clock.mockRestore());
    broker.stop();
    await broker.start();
    await vi.waitFor(() => expect(broker.held()).toBe(1), { timeout: 10_000 });
    expect(performance.now() - started).toBeGreaterThan(20_000);
    expect(step.signal.aborted).toBe(false);
  });

  test("that cannot be found again within its grace ends the step here", async () => {
    const broker = await scriptedBroker();
    const step = await broker.stint({ holdGraceMs: 300 }).openStep(STEP);
    broker.stop();
    expect(await aborted(step.signal)).toMatchObject({ reason: "HOLD_LOST" });
  });

  test("is there before the work begins", async () => {
    const broker = await scriptedBroker();
    expect(await broker.stint().withStep(STEP, () => broker.held())).toBe(1);
  });

  test("that is never answered is waited for no longer than its grace", async () => {
    const broker = await scriptedBroker({ hold: () => true });
    const opening = broker.stint({ holdGraceMs: 300 }).openStep(STEP);
    expect(await thrownBy(opening)).toMatchObject({ reason: "HOLD_LOST" });
  });

  test("is tried again when the stream ends without saying that the step has", async () => {
    let streams = 0;
    const broker = await scriptedBroker({
      hold: (call) => {
        streams += 1;
        if (streams < 3) call.end();
        return streams < 3;
      },
    });
    const step = await broker.stint().openStep(STEP);
    expect([step.signal.aborted, broker.held(), streams]).toEqual([false, 1, 3]);
  });

  test.for(["NOT_ENTITLED", "STEP_NOT_FOUND"] as const)("is not tried again after %s", async (reason) => {
    const broker = await scriptedBroker({
      hold: (call) => call.emit("error", serviceErrorOf(new BrokerError(reason, "no"))),
    });
    expect(await thrownBy(broker.stint().openStep(STEP))).toMatchObject({ reason });
    expect(broker.seen.holds).toBe(1);
  });

  test("lasts until the close was answered, and is let go of then", async () => {
    const heldAtClose: number[] = [];
    const broker = await scriptedBroker({
      close: () => {
        heldAtClose.push(broker.held());
      },
    });
    const step = await broker.stint().openStep(STEP);
    await step.close();
    expect(heldAtClose).toEqual([1]);
    await vi.waitFor(() => expect(broker.held()).toBe(0));
    expect(broker.seen.holds).toBe(1);
  });

  test("is not taken when it is not wanted, and the step still ends with its time", async () => {
    const broker = await scriptedBroker();
    const step = await broker.stint().openStep({ ...STEP, hold: false, expiresAt: new Date(Date.now() + 50) });
    expect(await aborted(step.signal)).toMatchObject({ reason: "STEP_CLOSED", metadata: { state: "EXPIRED" } });
    expect(broker.seen.holds).toBe(0);
  });
});
