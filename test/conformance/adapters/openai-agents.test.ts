import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { inToolRun, type ToolSettings } from "../../../src/sdk/adapters/index.ts";
import { stepTool } from "../../../src/sdk/adapters/openai-agents/index.ts";
import { currentStep, type Grant, type Stint } from "../../../src/sdk/runtime/index.ts";
import { tenMinutesOfWork } from "../../sdk/adapters/long-work.ts";
import { thrownBy } from "../../sdk/runtime/scripted-broker.ts";
import { INSTALL_MS_MAX } from "../locked-packages.ts";
import { type AdapterScene, adapterFrameworks, adapterScene } from "./adapter-scene.ts";

// The real `@openai/agents`, with the scripted model that it brings.

type Details = { readonly signal?: AbortSignal };
type Execute = (input: { readonly query: string }, context?: unknown, details?: Details) => unknown;
type Interruption = { readonly type: string };
type State = { approve(interruption: Interruption): void; toString(): string };
type Result = {
  readonly finalOutput: unknown;
  readonly history: readonly object[];
  readonly state: State;
  readonly interruptions: readonly Interruption[];
};
type Model = { readonly calls: readonly { readonly request: { readonly input: unknown } }[] };
type Agents = {
  readonly Agent: new (options: object) => object;
  readonly RunState: { fromString(agent: object, text: string): Promise<State> };
  readonly MemorySession: new () => { getItems(): Promise<readonly object[]> };
  run(agent: object, input: string | State, options?: object): Promise<Result>;
  tool(options: object): object;
  setTraceProcessors(processors: readonly object[]): void;
  setTracingDisabled(disabled: boolean): void;
};
type Testing = {
  readonly ScriptedModel: new (script: readonly object[]) => Model;
  assistantMessage(text: string): object;
  functionCall(name: string, input: object, options: { readonly callId: string }): object;
};
type Sample = {
  answerer(
    stint: Stint,
    model: unknown,
    where: { readonly url: string; readonly grant: Grant },
  ): (runId: string, prompt: string) => Promise<Result>;
};

const TIMEOUT_MS = 1_000;
const TOKEN_MS = 120_000;

let scene: AdapterScene;
let agents: Agents;
let testing: Testing;
let sample: Sample;
const traced: object[] = [];
beforeAll(async () => {
  const { load } = await adapterFrameworks();
  agents = (await load("@openai/agents")) as Agents;
  testing = (await load("@openai/agents/testing")) as Testing;
  sample = (await load("./samples/openai-agents.ts")) as Sample;
  scene = await adapterScene();
  const keep = async (item: object) => void traced.push(item);
  const nothing = async () => undefined;
  agents.setTracingDisabled(false);
  agents.setTraceProcessors([
    {
      onTraceStart: keep,
      onTraceEnd: keep,
      onSpanStart: keep,
      onSpanEnd: keep,
      shutdown: nothing,
      forceFlush: nothing,
    },
  ]);
}, INSTALL_MS_MAX);
afterAll(() => scene?.close());

const call = (callId: string, query = callId) => testing.functionCall("search", { query }, { callId });
const modelOf = (...script: readonly (readonly object[])[]) => new testing.ScriptedModel(script);
const said = (text: string) => [testing.assistantMessage(text)];
const settings = () => ({ calls: { search: { grant: scene.grant("search") } } });
const parameters = {
  type: "object",
  properties: { query: { type: "string" } },
  required: ["query"],
  additionalProperties: false,
} as const;

let runs = 0;
function nextRun() {
  runs += 1;
  return { opener: scene.stint, runId: `oa-${runs}` };
}

function agentWith(model: Model, execute: Execute, given: ToolSettings, options: object = {}) {
  const search = stepTool(
    (made: object) => agents.tool(made),
    given,
  )({
    name: "search",
    description: "Looks something up",
    parameters,
    execute,
    ...options,
  });
  return new agents.Agent({ name: "researcher", model, tools: [search] });
}

const promptsOf = ({ calls }: Model) => JSON.stringify(calls.map(({ request }) => request.input));

describe("a tool of the OpenAI Agents SDK", () => {
  test("is called in a step of its own, and nothing of a credential stays in state, history, memory or traces", async () => {
    scene.answer((request, response) => request.pipe(response));
    const where = { url: `${scene.origin}/raw`, grant: scene.grant("search") };
    const model = modelOf([call("one"), call("two")], said("done"));
    const { runId } = nextRun();
    const result = await sample.answerer(scene.stint, model, where)(runId, "Look it up");
    expect(result.finalOutput).toBe("done");
    expect(promptsOf(model)).toContain('"text":"two"');
    expect(await scene.stateOf(runId, "search.one")).toBe("COMPLETED");
    expect(await scene.stateOf(runId, "search.two")).toBe("COMPLETED");
    expect(scene.seen.filter(({ headers }) => headers.authorization !== undefined).length).toBeGreaterThan(1);
    expect(traced.length).toBeGreaterThan(4);
    expect(scene.holdsCredential({ result, state: result.state.toString(), model, traced })).toEqual([]);
  });

  test("that was refused answers the model in words, which the framework would hide if they were thrown", async () => {
    const grant = scene.grant("search").map((element) => ({ ...element, actions: ["write"] as const }));
    const model = modelOf([call("one")], said("sorry"));
    const session = new agents.MemorySession();
    const agent = agentWith(model, () => "found", { calls: { search: { grant } }, run: nextRun() });
    const result = await agents.run(agent, "Look it up", { session });
    expect(result.finalOutput).toBe("sorry");
    expect(promptsOf(model)).toContain('The call of the tool \\"search\\" was not permitted (POLICY_DENIED). It takes');
    const items = await session.getItems();
    expect(items.length).toBeGreaterThan(2);
    expect(scene.holdsCredential({ result, state: result.state.toString(), items, traced })).toEqual([]);
  });

  test.for([
    { because: "it has no error function", options: { errorFunction: null } },
    {
      because: "its output has a schema",
      options: { outputSchema: { type: "object", properties: {}, required: [], additionalProperties: false } },
    },
  ])("that can't answer in words, because $because, ends the run with its refusal", async ({ options }) => {
    const grant = scene.grant("search").map((element) => ({ ...element, actions: ["write"] as const }));
    const refused = { calls: { search: { grant } }, run: nextRun() };
    const agent = agentWith(modelOf([call("one")]), () => "found", refused, options);
    const thrown = (await thrownBy(agents.run(agent, "Look it up"))) as { readonly error?: unknown };
    expect(thrown.error).toMatchObject({ name: "ToolRefusal", refusal: { reason: "POLICY_DENIED", refused: grant } });
  });

  test("that fails by itself says what it says without Stint, and no credential to whom it may tell", async () => {
    const run = nextRun();
    const model = modelOf([call("one")], [call("two")], said("sorry"));
    const failing = async () => {
      const svid = await currentStep()?.jwtSvid(`${scene.origin}/raw`);
      throw new TypeError(`no answer to Bearer ${svid?.svid()}`);
    };
    await agents.run(agentWith(model, failing, { ...settings(), run }), "Look it up");
    expect(promptsOf(model)).toContain("An error occurred while running the tool. Please try again.");
    const telling = modelOf([call("three")], said("sorry"));
    const errorFunction = (_context: unknown, error: unknown) => String(error);
    const result = await agents.run(
      agentWith(telling, failing, { ...settings(), run }, { errorFunction }),
      "Look it up",
    );
    expect(promptsOf(telling)).toContain("TypeError: no answer to Bearer [credential]");
    expect(await scene.stateOf(run.runId, "search.three")).toBe("FAILED");
    expect(scene.holdsCredential({ result, state: result.state.toString(), model, telling, traced })).toEqual([]);
  });

  test("whose run is aborted is cancelled, whatever it returns", async () => {
    const run = nextRun();
    const caller = new AbortController();
    const execute: Execute = async (_input, _context, details) => {
      caller.abort();
      return String(details?.signal?.aborted);
    };
    const agent = agentWith(modelOf([call("one")]), execute, { ...settings(), run });
    expect(await thrownBy(agents.run(agent, "Look it up", { signal: caller.signal }))).toBeInstanceOf(Error);
    expect(await scene.stateOf(run.runId, "search.one")).toBe("CANCELLED");
  });

  test("that the framework gives up on is cancelled, and hears of it", async () => {
    const run = nextRun();
    const stopped = Promise.withResolvers<void>();
    // The framework's own timer, and no other: what it gives up on has begun.
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const execute: Execute = async (_input, _context, details) => {
      vi.advanceTimersByTime(TIMEOUT_MS);
      if (details?.signal !== undefined && !details.signal.aborted) await once(details.signal, "abort");
      stopped.resolve();
      return "late";
    };
    const model = modelOf([call("one")], said("sorry"));
    const agent = agentWith(model, execute, { ...settings(), run }, { timeoutMs: TIMEOUT_MS });
    await agents.run(agent, "Look it up");
    await stopped.promise;
    expect(promptsOf(model)).toContain("timed out");
    expect(promptsOf(model)).not.toContain("late");
    await expect.poll(() => scene.stateOf(run.runId, "search.one")).toBe("CANCELLED");
  });

  test("whose step is taken back hears of it, and its result does not count", async () => {
    const run = nextRun();
    const begun = Promise.withResolvers<void>();
    const execute: Execute = async (_input, _context, details) => {
      begun.resolve();
      if (details?.signal !== undefined && !details.signal.aborted) await once(details.signal, "abort");
      return "late";
    };
    const model = modelOf([call("one")], said("sorry"));
    const work = agents.run(agentWith(model, execute, { ...settings(), run }), "Look it up");
    await begun.promise;
    await using newer = await scene.stint.openStep({ runId: run.runId, step: "search.one", attempt: 2 });
    await work;
    expect(newer.name.attempt).toBe(2);
    expect(promptsOf(model)).toContain("has ended (SUPERSEDED): its result does not count");
  });

  test("of two runs at once works in the step of its own run, also with one agent and the same ids", async () => {
    const both = Promise.withResolvers<void>();
    let inside = 0;
    const execute: Execute = async () => {
      inside += 1;
      if (inside === 2) both.resolve();
      await both.promise;
      return String(currentStep()?.name.runId);
    };
    const outputs = async () => {
      const run = nextRun();
      const model = modelOf([call("one")], said("done"));
      await inToolRun(run, () => agents.run(agentWith(model, execute, settings()), "Look it up"));
      return [run.runId, promptsOf(model)] as const;
    };
    for (const [runId, prompts] of await Promise.all([outputs(), outputs()]))
      expect(prompts).toContain(`"text":"${runId}"`);
  });

  test("works in the step of the run within withStep, also when the run is streamed", async () => {
    const { runId } = nextRun();
    const model = modelOf([call("one")], said("done"));
    const agent = agentWith(model, () => String(currentStep()?.name.step), {});
    await scene.stint.withStep({ runId, step: "answer" }, async () => {
      const streamed = (await agents.run(agent, "Look it up", { stream: true })) as unknown as {
        readonly completed: Promise<void>;
      };
      await streamed.completed;
    });
    expect(promptsOf(model)).toContain('"text":"answer"');
  });

  test("that waits for a person has no step until it was approved, also where the state was stored meanwhile", async () => {
    const run = nextRun();
    const model = modelOf([call("one")], said("done"));
    const agent = agentWith(model, () => "found", { ...settings(), run }, { needsApproval: true });
    const paused = await agents.run(agent, "Look it up");
    const stored = paused.state.toString();
    expect(await scene.stateOf(run.runId, "search.one")).toBe("STEP_NOT_FOUND");
    const state = await agents.RunState.fromString(agent, stored);
    const [waiting] = (state as unknown as { getInterruptions(): readonly Interruption[] }).getInterruptions();
    if (waiting === undefined) throw new Error("nothing waits");
    state.approve(waiting);
    const resumed = await agents.run(agent, state);
    expect(resumed.finalOutput).toBe("done");
    expect(await scene.stateOf(run.runId, "search.one")).toBe("COMPLETED");
    expect(scene.holdsCredential([stored, resumed.state.toString()])).toEqual([]);
  });

  test("works for ten minutes with tokens that live two", async () => {
    const { settings: long, ages, work } = await tenMinutesOfWork("search");
    const model = modelOf([call("one")], said("done"));
    await agents.run(agentWith(model, work, long), "Look it up");
    expect(promptsOf(model)).toContain("ten minutes");
    expect(Math.max(...ages)).toBeLessThan(TOKEN_MS);
  });

  test("that settings do not name is refused when it is made", () => {
    const given = { calls: { other: {} } };
    expect(() => agentWith(modelOf(), () => "found", given)).toThrow("nothing is said of the tool search");
  });
});
