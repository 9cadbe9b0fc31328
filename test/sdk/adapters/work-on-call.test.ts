import { describe, expect, test } from "vitest";
import { Outcome } from "../../../src/gen/stint/v1/steps_pb.js";
import { StepState } from "../../../src/gen/stint/v1/types_pb.js";
import { inToolRun, streamOnCall, type ToolCall, workOnCall } from "../../../src/sdk/adapters/index.ts";
import { withMember } from "../../../src/sdk/adapters/replaced-member.ts";
import { createStint, currentStep, type Grant, type Step, StintError } from "../../../src/sdk/runtime/index.ts";
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

  test("is of the client's outcome where nobody else has one", async () => {
    const broker = await scriptedBroker();
    const run = { opener: broker.stint({ outcomeOf: () => "CANCELLED" }), runId: "r" };
    await workOnCall(CALL, { ...settings, run }, () => "done");
    expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.CANCELLED }]);
  });

  test("that ended under a tool tells of that end, and a pause stays a pause", async () => {
    const broker = await scriptedBroker();
    const run = { opener: broker.stint(), runId: "r" };
    const breaking = async (step: Step, signal: AbortSignal) => {
      const ended = new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      broker.end(step.stepId, StepState.REVOKED);
      await ended;
      throw new Error("broken by the end");
    };
    const told = await thrownBy(workOnCall(CALL, { ...settings, run }, breaking));
    expect(told).toMatchObject({ reason: "STEP_CLOSED", metadata: { state: "REVOKED" } });
    const paused = await thrownBy(workOnCall(CALL, { ...settings, run }, breaking, () => "CANCELLED"));
    expect(paused).toMatchObject({ message: "broken by the end" });
  });

  test("has a name of its own whatever tool and id are made of", async () => {
    const broker = await scriptedBroker();
    const run = { opener: broker.stint(), runId: "r" };
    const pairs = [
      ["a.b", "c"],
      ["a", "b.c"],
      ["a", "b/c"],
      ["a", "b-c"],
    ] as const;
    for (const [tool, callId] of pairs)
      await workOnCall({ tool, callId }, { calls: { [tool]: {} }, run }, () => "done");
    const names = broker.seen.opened.map(({ step }) => step);
    expect(new Set(names).size).toBe(pairs.length);
    expect(names.every((name) => /^[A-Za-z0-9._-]{1,128}$/.test(name))).toBe(true);
  });

  test("is of the run that was given with the tool, before that of the surroundings", async () => {
    const broker = await scriptedBroker();
    const opener = broker.stint();
    const given = { ...settings, run: { opener, runId: "given" } };
    await inToolRun({ opener, runId: "around" }, () => workOnCall(CALL, given, () => "done"));
    expect(broker.seen.opened).toMatchObject([{ runId: "given" }]);
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

describe("a call that gives its result in parts", () => {
  async function* parts(): AsyncGenerator<string> {
    yield "one";
    yield "two";
    yield "three";
  }

  test("has its step until the last was taken", async () => {
    const broker = await scriptedBroker();
    const run = { opener: broker.stint(), runId: "r" };
    const seen: (string | number)[] = [];
    for await (const part of streamOnCall(CALL, { ...settings, run }, parts))
      seen.push(part, broker.seen.closed.length);
    expect(seen).toEqual(["one", 0, "two", 0, "three", 0]);
    expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.COMPLETED }]);
  });

  test("is cancelled by whoever takes no more, before they go on", async () => {
    const broker = await scriptedBroker();
    const run = { opener: broker.stint(), runId: "r" };
    for await (const _ of streamOnCall(CALL, { ...settings, run }, parts)) break;
    expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.CANCELLED }]);
  });

  test("fails after the parts that there were", async () => {
    const broker = await scriptedBroker();
    const run = { opener: broker.stint(), runId: "r" };
    const seen: string[] = [];
    async function* failing() {
      yield "one";
      throw new Error("down");
    }
    const all = async () => {
      for await (const part of streamOnCall(CALL, { ...settings, run }, failing)) seen.push(part);
    };
    expect(await thrownBy(all())).toMatchObject({ message: "down" });
    expect(seen).toEqual(["one"]);
    expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.FAILED }]);
  });
});

test("a copy with another member keeps prototype, hidden members and those named by symbols", () => {
  class Tool {
    readonly name = "search";
    readonly execute = () => "old";
    isTool() {
      return this.name;
    }
  }
  const mark = Symbol("mark");
  const tool = Object.defineProperty(new Tool(), mark, { value: 1, enumerable: false });
  const copy = withMember(tool, "execute", () => "new");
  expect([copy.isTool(), copy.execute(), tool.execute(), Reflect.get(copy, mark)]).toEqual(["search", "new", "old", 1]);
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
    throw new StintError("STEP_EXISTS", "of the tool's own", { metadata: { attempt: "1" } });
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
