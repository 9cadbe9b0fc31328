import { describe, expect, onTestFinished, test, vi } from "vitest";
import { BrokerError } from "../../../src/domain/errors.ts";
import { Outcome } from "../../../src/gen/stint/v1/steps_pb.js";
import { StepState } from "../../../src/gen/stint/v1/types_pb.js";
import {
  createStint,
  currentStep,
  type Grant,
  isStintError,
  StintError,
  type WorkEnd,
} from "../../../src/sdk/runtime/index.ts";
import { aborted, scriptedBroker, thrownBy } from "./scripted-broker.ts";

const STEP = { runId: "run-1", step: "search" } as const;
const MCP = "https://mcp.example.com/mcp";
const GRANT: Grant = [
  { type: "mcp_tool", locations: [MCP], identifier: "search", actions: ["read"], datatypes: ["internal"] },
];

class Interrupt extends Error {}

describe("withStep", () => {
  test("opens the step as asked, works in it, and closes it as completed", async () => {
    const broker = await scriptedBroker();
    const stint = broker.stint({ workflow: "research" });
    const expiresAt = new Date(Date.now() + 60_000);
    const options = {
      ...STEP,
      attempt: 3,
      purpose: "look",
      grant: GRANT,
      audiences: ["ci"],
      expiresAt,
      leaseSeconds: 5,
    };
    const facts = await stint.withStep(options, (step) => step.toJSON());
    const [request] = broker.seen.opened;
    expect(request).toMatchObject({
      runId: "run-1",
      step: "search",
      attempt: 3,
      agent: "researcher",
      workflow: "research",
      purpose: "look",
      audiences: ["ci"],
      lease: { seconds: 5n },
      executor: { executor: { case: "self" } },
      allowPartial: false,
      parentStepId: "",
    });
    expect(request?.grant?.elements[0]).toMatchObject({ ...GRANT[0] });
    expect(Number(request?.expiresAt?.seconds)).toBe(Math.floor(expiresAt.getTime() / 1_000));
    expect(facts).toEqual({
      stepId: "step_1",
      name: { runId: "run-1", step: "search", attempt: 3 },
      agent: "researcher",
      spiffeId: "spiffe://example.org/agent/researcher/run/run-1/step/search/3",
      grant: GRANT,
      audiences: ["ci"],
      expiresAt: expiresAt,
      parentStepId: "",
      decisionId: "dec_1",
    });
    expect(broker.seen.closed).toMatchObject([{ stepId: "step_1", outcome: Outcome.COMPLETED }]);
    expect(broker.seen.metadata).toEqual(["true"]);
  });

  test.for([
    { ends: "fails when its work throws", thrown: new Error("no"), outcome: Outcome.FAILED },
    { ends: "is what outcomeOf says of the error", thrown: new Interrupt(), outcome: Outcome.COMPLETED },
    { ends: "fails when outcomeOf has no opinion", thrown: undefined, outcome: Outcome.FAILED },
  ])("$ends, and the error comes out", async ({ thrown, outcome }) => {
    const broker = await scriptedBroker();
    const outcomeOf = (end: WorkEnd) => {
      if (end.kind !== "threw" || end.error === undefined) throw new Error("outcomeOf has a fault");
      return end.error instanceof Interrupt ? ("COMPLETED" as const) : undefined;
    };
    const work = () => Promise.reject(thrown);
    expect(await thrownBy(broker.stint({ outcomeOf }).withStep(STEP, work))).toBe(thrown);
    expect(broker.seen.closed).toMatchObject([{ outcome }]);
  });

  test.for([
    { says: "FAILED", outcome: Outcome.FAILED },
    { says: "CANCELLED", outcome: Outcome.CANCELLED },
    { says: undefined, outcome: Outcome.COMPLETED },
  ] as const)("is what outcomeOf says of the result: $says, and the result comes out", async ({ says, outcome }) => {
    const broker = await scriptedBroker();
    const outcomeOf = (end: WorkEnd) => (end.kind === "returned" && end.result === "paused" ? says : undefined);
    expect(await broker.stint({ outcomeOf }).withStep(STEP, () => "paused")).toBe("paused");
    expect(broker.seen.closed).toMatchObject([{ outcome }]);
  });

  test("is cancelled when its caller aborts it", async () => {
    const broker = await scriptedBroker();
    const caller = new AbortController();
    const why = new Error("enough");
    const work = broker.stint().withStep({ ...STEP, signal: caller.signal }, async (step) => {
      caller.abort(why);
      throw await aborted(step.signal);
    });
    expect(await thrownBy(work)).toBe(why);
    expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.CANCELLED }]);
  });

  test.for([
    { says: undefined, outcome: Outcome.CANCELLED },
    { says: "COMPLETED", outcome: Outcome.COMPLETED },
  ] as const)(
    "whose caller aborted it, and whose work returned, is cancelled unless outcomeOf says: $says",
    async (case_) => {
      const broker = await scriptedBroker();
      const caller = new AbortController();
      const options = { ...STEP, signal: caller.signal, outcomeOf: () => case_.says };
      const result = await broker.stint().withStep(options, () => {
        caller.abort();
        return "what there was";
      });
      expect(result).toBe("what there was");
      expect(broker.seen.closed).toMatchObject([{ outcome: case_.outcome }]);
    },
  );

  test("does not complete a child whose parent is being closed, whatever its work returns", async () => {
    const broker = await scriptedBroker();
    const parent = await broker.stint().openStep(STEP);
    let closing: Promise<unknown> | undefined;
    const work = parent.withStep({ step: "part" }, () => {
      closing = parent.close();
      return "done";
    });
    expect(await thrownBy(work)).toMatchObject({ reason: "STEP_CLOSED", metadata: { state: "CANCELLED" } });
    await closing;
    expect(broker.seen.closed.map(({ stepId }) => stepId)).toEqual([parent.stepId]);
  });

  test("does not give the result of work whose hold was lost, and is not completed", async () => {
    const broker = await scriptedBroker();
    const work = broker.stint({ holdGraceMs: 100 }).withStep(STEP, async (step) => {
      broker.stop();
      await aborted(step.signal);
      await broker.start();
      return "done";
    });
    expect(await thrownBy(work)).toMatchObject({ reason: "HOLD_LOST" });
    expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.CANCELLED }]);
  });

  test("does not give the result of work that went on after its step was superseded", async () => {
    const broker = await scriptedBroker();
    const work = broker.stint().withStep(STEP, (step) => {
      broker.end(step.stepId, StepState.SUPERSEDED);
      return "done";
    });
    expect(await thrownBy(work)).toMatchObject({ reason: "STEP_CLOSED", metadata: { state: "SUPERSEDED" } });
  });

  test("gives the result of work that closed its step by itself", async () => {
    const broker = await scriptedBroker();
    const work = broker.stint().withStep(STEP, async (step) => (await step.close("CANCELLED")).state);
    expect(await work).toBe("CANCELLED");
    expect(broker.seen.closed).toHaveLength(1);
  });

  test("waits for a close that its work began and did not wait for", async () => {
    const broker = await scriptedBroker();
    const work = broker.stint().withStep(STEP, (step) => {
      void step.close("CANCELLED");
      throw new Error("no");
    });
    await thrownBy(work);
    expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.CANCELLED }]);
  });

  test("tells of a close that was refused, and of the work's own error before it", async () => {
    const refuse = () => {
      throw new BrokerError("NOT_ENTITLED", "not yours");
    };
    const broker = await scriptedBroker({ close: refuse });
    const stint = broker.stint();
    expect(await thrownBy(stint.withStep(STEP, () => "done"))).toMatchObject({ reason: "NOT_ENTITLED" });
    const fault = new Error("no");
    expect(await thrownBy(stint.withStep(STEP, () => Promise.reject(fault)))).toBe(fault);
  });

  test("makes its step the current one, across awaits and no further", async () => {
    const broker = await scriptedBroker();
    const stint = broker.stint();
    expect(currentStep()).toBeUndefined();
    await stint.withStep(STEP, async (step) => {
      await Promise.resolve();
      expect(currentStep()).toBe(step);
      await step.withStep({ step: "inner" }, async (inner) => {
        await Promise.resolve();
        expect(currentStep()).toBe(inner);
      });
      expect(currentStep()).toBe(step);
    });
    expect(currentStep()).toBeUndefined();
    expect(await thrownBy(stint.fetch(MCP))).toMatchObject({ reason: "NO_CURRENT_STEP" });
  });
});

describe("opening", () => {
  test("again after an answer was lost gives the step that was opened", async () => {
    const broker = await scriptedBroker({
      opened: (attempt) => {
        if (attempt < 3) throw new BrokerError("NOT_SERVING", "going down");
      },
    });
    const step = await broker.stint().openStep(STEP);
    const ids = broker.seen.opened.map((request) => request.requestId);
    expect(step.stepId).toBe("step_1");
    expect(ids).toHaveLength(3);
    expect(new Set(ids).size).toBe(1);
  });

  test("again while what it is decided on changes under the broker, of which nothing was recorded", async () => {
    let asked = 0;
    const broker = await scriptedBroker({
      open() {
        asked += 1;
        const message = "what the run was granted changed while this was decided: ask again";
        if (asked < 4) throw new BrokerError("DECISION_OUTDATED", message);
      },
    });
    const { stepId } = await broker.stint().openStep(STEP);
    expect([stepId, asked]).toEqual(["step_1", 4]);
    expect(new Set(broker.seen.opened.map(({ requestId }) => requestId)).size).toBe(1);
  });

  test("again no longer than its caller waits, and then says why it was asked again", async () => {
    const broker = await scriptedBroker({
      open() {
        throw new BrokerError("DECISION_OUTDATED", "the policies in force changed while this was decided: ask again");
      },
    });
    const stopped = new AbortController();
    const thrown = thrownBy(broker.stint().openStep({ ...STEP, signal: stopped.signal }));
    await vi.waitFor(() => expect(broker.seen.opened.length).toBeGreaterThan(2));
    const why = new Error("no time left");
    stopped.abort(why);
    expect(await thrown).toBe(why);
    const asked = broker.seen.opened.length;
    const refused = await thrownBy(broker.stint().openStep(STEP));
    expect(refused).toMatchObject({ reason: "DECISION_OUTDATED", retryable: true });
    // 10 s hold no more than this many pauses, which are at least half of 50, 100, 200, 400 and then 800 to 1,000 ms.
    expect(broker.seen.opened.length - asked).toBeLessThanOrEqual(26);
  });

  test("two steps asks with two request ids", async () => {
    const broker = await scriptedBroker();
    const stint = broker.stint();
    await stint.openStep(STEP);
    await stint.openStep(STEP);
    expect(new Set(broker.seen.opened.map((request) => request.requestId)).size).toBe(2);
  });

  test.for([
    { reason: "POLICY_DENIED", metadata: { decision_id: "dec_7" } },
    { reason: "STEP_EXISTS", metadata: {} },
    { reason: "INVALID_FIELD", metadata: { field: "run_id" } },
  ] as const)("is refused with the broker's reason $reason, at once", async ({ reason, metadata }) => {
    const broker = await scriptedBroker({
      open: () => {
        throw new BrokerError(reason, "no", { metadata });
      },
    });
    const thrown = await thrownBy(broker.stint().openStep(STEP));
    expect(thrown).toBeInstanceOf(StintError);
    expect(thrown).toMatchObject({ reason, metadata, message: "no", retryable: false });
    expect(broker.seen.opened).toHaveLength(1);
  });

  test("is refused when the request id names a step that has ended", async () => {
    const broker = await scriptedBroker();
    const stint = broker.stint();
    const step = await stint.openStep({ ...STEP, requestId: "r-1" });
    await step.close("FAILED");
    const again = stint.openStep({ ...STEP, requestId: "r-1" });
    expect(await thrownBy(again)).toMatchObject({ reason: "STEP_CLOSED", metadata: { state: "FAILED" } });
  });

  test("ends with its caller's patience", async () => {
    const broker = await scriptedBroker({
      open: () => {
        throw new BrokerError("LEDGER_UNAVAILABLE", "the disk is full");
      },
    });
    const why = new Error("enough");
    const caller = new AbortController();
    const opening = broker.stint().openStep({ ...STEP, signal: caller.signal });
    caller.abort(why);
    expect(await thrownBy(opening)).toBe(why);
  });

  test("that is given up before its answer came is taken back, and its work never begins", async () => {
    const why = new Error("enough");
    const caller = new AbortController();
    const broker = await scriptedBroker({ opened: () => caller.abort(why) });
    const work = vi.fn();
    expect(await thrownBy(broker.stint().withStep({ ...STEP, signal: caller.signal }, work))).toBe(why);
    expect(broker.seen.closed).toMatchObject([{ stepId: "step_1", outcome: Outcome.CANCELLED }]);
    expect(work).not.toHaveBeenCalled();
  });

  test("that is given up before it is asked for is not asked for", async () => {
    const why = new Error("enough");
    const broker = await scriptedBroker();
    const opening = broker.stint().openStep({ ...STEP, signal: AbortSignal.abort(why) });
    expect(await thrownBy(opening)).toBe(why);
    expect(broker.seen.opened).toEqual([]);
  });

  test("brings along the first credentials, which are then not asked for", async () => {
    const broker = await scriptedBroker();
    const step = await broker.stint().openStep({ ...STEP, grant: GRANT, first: { jwtSvids: [MCP], x509Svid: true } });
    expect((await step.jwtSvid(MCP)).audience).toBe(MCP);
    expect(broker.seen.opened[0]?.credentials?.csr.length).toBeGreaterThan(100);
    expect(broker.seen.minted).toHaveLength(0);
  });

  test("without an endpoint is refused before anything is sent", () => {
    const before = process.env["SPIFFE_ENDPOINT_SOCKET"];
    delete process.env["SPIFFE_ENDPOINT_SOCKET"];
    try {
      expect(() => createStint()).toThrow(expect.objectContaining({ reason: "NO_ENDPOINT" }));
    } finally {
      if (before !== undefined) process.env["SPIFFE_ENDPOINT_SOCKET"] = before;
    }
    expect(() => createStint({ endpoint: "tcp://127.0.0.1:1" })).toThrow(
      expect.objectContaining({ reason: "INVALID_FIELD" }),
    );
  });

  test("with a kind of proof that is none is refused, and not done with bearer tokens", async () => {
    const broker = await scriptedBroker();
    const proof = "wit" as "wpt";
    const refused = { reason: "INVALID_FIELD", message: "proof: dpop or wpt" };
    expect(() => broker.stint({ proof })).toThrow(expect.objectContaining(refused));
    expect(await thrownBy(broker.stint().openStep({ ...STEP, proof }))).toMatchObject(refused);
    expect(broker.seen.opened).toEqual([]);
  });

  test("where nobody listens says why it could not connect", async () => {
    const broker = await scriptedBroker();
    await broker.stop();
    expect(await thrownBy(broker.stint().openStep(STEP))).toMatchObject({
      reason: "UNREACHABLE",
      message: "the broker does not answer: there is no such socket",
    });
  });

  test("by a client that is closed meanwhile says so, and does not put it down to the broker", async () => {
    const broker = await scriptedBroker();
    const stint = broker.stint();
    const opening = thrownBy(stint.openStep(STEP));
    stint.close();
    expect(await opening).toMatchObject({ reason: "HOLD_LOST", message: expect.stringContaining("closed") });
    expect(await thrownBy(stint.withStep(STEP, async () => 1))).toMatchObject({ reason: "HOLD_LOST" });
  });
});

describe("an open step", () => {
  test("that goes out of scope without a word has failed", async () => {
    const broker = await scriptedBroker();
    const stint = broker.stint();
    {
      await using step = await stint.openStep(STEP);
      expect(step.signal.aborted).toBe(false);
    }
    expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.FAILED }]);
  });

  test("that is too near its expiry for a new credential goes on with the one that still holds", async () => {
    const broker = await scriptedBroker({
      jwtSvid(_request, mint) {
        if (mint > 1) throw new BrokerError("STEP_EXPIRING", "the step has less than 10 s left");
      },
    });
    const step = await broker.stint().openStep(STEP);
    const last = await step.jwtSvid(MCP);
    vi.useFakeTimers({ toFake: ["Date"], now: last.expiresAt.getTime() - 9_000 });
    onTestFinished(() => void vi.useRealTimers());
    expect(await step.jwtSvid(MCP)).toBe(last);
    vi.setSystemTime(last.expiresAt.getTime() - 1_000);
    expect(await thrownBy(step.jwtSvid(MCP))).toMatchObject({ reason: "STEP_EXPIRING" });
  });

  test("that was closed goes out of scope as it is", async () => {
    const broker = await scriptedBroker();
    const stint = broker.stint();
    {
      await using step = await stint.openStep(STEP);
      await step.close("COMPLETED");
    }
    expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.COMPLETED }]);
  });

  test("is closed once, however often it is said, and tells what the close did", async () => {
    const broker = await scriptedBroker();
    const step = await broker.stint().openStep(STEP);
    const first = step.close("COMPLETED", { awaitReceiptsSeconds: 2 });
    expect(await step.close("FAILED")).toEqual(await first);
    expect(await first).toEqual({
      outcome: "COMPLETED",
      state: "COMPLETED",
      sequence: 7n,
      credentialsRevoked: 2,
      descendantsClosed: 1,
      receipts: undefined,
      stillAlive: [],
    });
    expect(broker.seen.closed).toMatchObject([{ awaitReceipts: { seconds: 2n } }]);
  });

  test("can be closed again after a close that did not reach the broker", async () => {
    const broker = await scriptedBroker({
      close: (_request, attempt) => {
        if (attempt === 1) throw new BrokerError("NOT_ENTITLED", "not yet");
      },
    });
    const step = await broker.stint().openStep(STEP);
    expect(await thrownBy(step.close())).toMatchObject({ reason: "NOT_ENTITLED" });
    expect((await step.close()).state).toBe("COMPLETED");
  });

  test("permits nothing once it is being closed", async () => {
    const broker = await scriptedBroker();
    const step = await broker.stint().openStep({ ...STEP, grant: GRANT });
    await step.jwtSvid(MCP);
    const closing = step.close();
    expect(step.signal.aborted).toBe(true);
    for (const refused of [step.jwtSvid(MCP), step.x509Svid(), step.fetch(MCP), step.openStep({ step: "b" })]) {
      expect(await thrownBy(refused)).toMatchObject({ reason: "STEP_CLOSED", metadata: { state: "COMPLETED" } });
    }
    await closing;
    expect(broker.seen.minted).toHaveLength(1);
  });

  test("has children in its run, which end with it", async () => {
    const broker = await scriptedBroker();
    const parent = await broker.stint().openStep(STEP);
    const child = await parent.openStep({ step: "part", hold: false });
    expect(child).toMatchObject({ parentStepId: "step_1", name: { runId: "run-1", step: "part" } });
    await parent.close();
    expect(await aborted(child.signal)).toMatchObject({ reason: "STEP_CLOSED", metadata: { state: "CANCELLED" } });
  });

  test("is taken up again by its id or its name, while it is open", async () => {
    const broker = await scriptedBroker();
    const stint = broker.stint();
    const { stepId } = await stint.openStep(STEP);
    expect((await stint.resumeStep({ stepId })).spiffeId).toContain("/run/run-1/step/search/1");
    const resumed = await stint.resumeStep(STEP);
    expect(resumed.stepId).toBe(stepId);
    await resumed.close();
    expect(await thrownBy(stint.resumeStep({ stepId }))).toMatchObject({ reason: "STEP_CLOSED" });
    expect(await thrownBy(stint.resumeStep({ stepId: "step_9" }))).toMatchObject({ reason: "STEP_NOT_FOUND" });
  });

  test("may be opened by a child once the client has enrolled it", async () => {
    const broker = await scriptedBroker();
    await broker.stint().enroll(4711);
    expect(broker.seen.enrolled).toEqual([4711]);
  });

  test("ends when its client is closed", async () => {
    const broker = await scriptedBroker();
    const stint = broker.stint();
    const step = await stint.openStep(STEP);
    stint.close();
    expect(isStintError(await aborted(step.signal), "HOLD_LOST")).toBe(true);
  });
});
