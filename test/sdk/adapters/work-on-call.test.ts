import { describe, expect, test } from "vitest";
import { BrokerError } from "../../../src/domain/errors.ts";
import { Outcome } from "../../../src/gen/stint/v1/steps_pb.js";
import { StepState } from "../../../src/gen/stint/v1/types_pb.js";
import { inToolRun, type ToolCall, workOnCall } from "../../../src/sdk/adapters/index.ts";
import { createStint, currentStep, type Grant } from "../../../src/sdk/runtime/index.ts";
import { startDevBroker } from "../../../src/sdk/testing/index.ts";
import { scriptedBroker, thrownBy } from "../runtime/scripted-broker.ts";

const CALL: ToolCall = { tool: "search", callId: "call_1" };
const GRANT: Grant = [
  {
    type: "mcp_tool",
    locations: ["https://mcp.example.com/mcp"],
    identifier: "search",
    actions: ["read"],
    datatypes: ["internal"],
  },
];
const settings = { calls: { search: { grant: GRANT } } };

describe("a step for each call", () => {
  test("is opened as the tool's settings say, named after run and call, and completed", async () => {
    const broker = await scriptedBroker();
    const run = { opener: broker.stint(), runId: "thread 7/b" };
    const named = await inToolRun(run, () => workOnCall(CALL, settings, () => currentStep()?.name));
    expect(named).toMatchObject({ step: "search.call_1" });
    expect(named?.runId).toMatch(/^thread-7-b--[a-z2-7]{26}$/);
    expect(broker.seen.opened[0]?.grant?.elements[0]).toMatchObject({ ...GRANT[0] });
    expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.COMPLETED }]);
  });

  test("fails with its tool", async () => {
    const broker = await scriptedBroker();
    const run = { opener: broker.stint(), runId: "r" };
    const work = workOnCall(CALL, { ...settings, run }, () => Promise.reject(new Error("down")));
    expect(await thrownBy(work)).toMatchObject({ message: "down" });
    expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.FAILED }]);
  });

  test("is cancelled when the call's signal aborts, whatever the tool then returns", async () => {
    const broker = await scriptedBroker();
    const caller = new AbortController();
    const run = { opener: broker.stint(), runId: "r" };
    await workOnCall({ ...CALL, signal: caller.signal }, { ...settings, run }, (_step, signal) => {
      caller.abort();
      return signal.aborted;
    });
    expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.CANCELLED }]);
  });

  test("is of the settings' outcome where a framework pauses by a throw", async () => {
    const broker = await scriptedBroker();
    const run = { opener: broker.stint(), runId: "r" };
    const pause = () => Promise.reject(new Error("a pause"));
    await thrownBy(workOnCall(CALL, { ...settings, run }, pause, () => "CANCELLED"));
    expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.CANCELLED }]);
  });

  test("is refused for a tool that no settings name, and nothing is opened", async () => {
    const broker = await scriptedBroker();
    const run = { opener: broker.stint(), runId: "r" };
    const work = workOnCall({ tool: "toString", callId: "c" }, { ...settings, run }, () => "done");
    expect(await thrownBy(work)).toMatchObject({ reason: "INVALID_FIELD", metadata: { field: "calls" } });
    expect(broker.seen.opened).toEqual([]);
  });

  test("may ask for what the call's input says", async () => {
    const broker = await scriptedBroker();
    const run = { opener: broker.stint(), runId: "r" };
    const calls = { search: ({ input }: ToolCall) => ({ purpose: `look for ${input}` }) };
    await workOnCall({ ...CALL, input: "owls" }, { calls, run }, () => "done");
    expect(broker.seen.opened).toMatchObject([{ purpose: "look for owls" }]);
  });

  test("below the step of the run is its child, in the run that is named", async () => {
    const broker = await scriptedBroker();
    await broker
      .stint()
      .withStep({ runId: "r", step: "answer" }, (opener) =>
        workOnCall(CALL, { ...settings, run: { opener, runId: "r" } }, () => "done"),
      );
    expect(broker.seen.opened).toMatchObject([{ parentStepId: "" }, { parentStepId: "step_1", runId: "r" }]);
  });

  test("of two runs at once is each its own run's, also after what both await", async () => {
    const broker = await scriptedBroker();
    const opener = broker.stint();
    const both = Promise.withResolvers<void>();
    let inside = 0;
    const runIdInside = (runId: string) =>
      inToolRun({ opener, runId }, async () => {
        await Promise.resolve();
        return workOnCall(CALL, settings, async () => {
          inside += 1;
          if (inside === 2) both.resolve();
          await both.promise;
          return currentStep()?.name.runId;
        });
      });
    expect(await Promise.all([runIdInside("one"), runIdInside("two")])).toEqual(["one", "two"]);
  });
});

describe("one step for the run", () => {
  test("is the step of the surrounding withStep, which no call opens or closes", async () => {
    const broker = await scriptedBroker();
    const stint = broker.stint();
    const stepIds = await stint.withStep({ runId: "r", step: "answer" }, async (step) => {
      const called = await workOnCall(CALL, {}, ({ stepId }) => stepId);
      return [step.stepId, called, currentStep()?.stepId];
    });
    expect(new Set(stepIds).size).toBe(1);
    expect(broker.seen.opened).toHaveLength(1);
    expect(broker.seen.closed).toHaveLength(1);
  });

  test("given by hand is the current one in the tool, where the framework has lost the context", async () => {
    const broker = await scriptedBroker();
    await using step = await broker.stint().openStep({ runId: "r", step: "answer" });
    expect(await workOnCall(CALL, { run: { step } }, () => currentStep()?.stepId)).toBe(step.stepId);
  });

  test("that ended under a call makes its result count for nothing", async () => {
    const broker = await scriptedBroker();
    await using step = await broker.stint().openStep({ runId: "r", step: "answer" });
    const work = workOnCall(CALL, { run: { step } }, async (_step, signal) => {
      const ended = new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      broker.end(step.stepId, StepState.SUPERSEDED);
      await ended;
      return "late";
    });
    expect(await thrownBy(work)).toMatchObject({ reason: "STEP_CLOSED", metadata: { state: "SUPERSEDED" } });
  });
});

test("outside of every run a tool is refused", async () => {
  expect(await thrownBy(workOnCall(CALL, settings, () => "done"))).toMatchObject({ reason: "NO_CURRENT_STEP" });
});

test("a refusal that is about a step of the tool's own is no reason to make the call again", async () => {
  const broker = await scriptedBroker();
  const run = { opener: broker.stint(), runId: "r" };
  let times = 0;
  const work = workOnCall(CALL, { ...settings, run }, () => {
    times += 1;
    throw new BrokerError("STEP_EXISTS", "of the tool's own", { metadata: { attempt: "1" } });
  });
  await thrownBy(work);
  expect(times).toBe(1);
});

test("a call that is made again is the next attempt: the one before is superseded, and its result does not count", async () => {
  await using broker = await startDevBroker();
  using stint = createStint({ endpoint: broker.endpoint, agent: "dev" });
  const dev = { calls: { search: {} }, run: { opener: stint, runId: "r" } };
  const begun = Promise.withResolvers<void>();
  const first = workOnCall(CALL, dev, async (_step, signal) => {
    begun.resolve();
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    return "late";
  });
  const refused = thrownBy(first);
  await begun.promise;
  expect(await workOnCall(CALL, dev, (step) => step.name.attempt)).toBe(2);
  expect(await refused).toMatchObject({ reason: "STEP_CLOSED", metadata: { state: "SUPERSEDED" } });
  expect(await workOnCall(CALL, dev, (step) => step.name.attempt)).toBe(3);
  // A framework that counts by itself: what it began before is the stale one.
  const stale = workOnCall({ ...CALL, attempt: 2 }, dev, () => "stale");
  expect(await thrownBy(stale)).toMatchObject({ reason: "STALE_ATTEMPT" });
});
