import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stepTools } from "../../../src/sdk/adapters/ai/index.ts";
import { inToolRun } from "../../../src/sdk/adapters/index.ts";
import { currentStep, type Grant, type Stint } from "../../../src/sdk/runtime/index.ts";
import { tenMinutesOfWork } from "../../sdk/adapters/long-work.ts";
import { thrownBy } from "../../sdk/runtime/scripted-broker.ts";
import { INSTALL_MS_MAX } from "../locked-packages.ts";
import { type AdapterScene, adapterFrameworks, adapterScene } from "./adapter-scene.ts";

// The real `ai`, with a model that says what a test wants it to say.

type CallOptions = { readonly toolCallId: string; readonly abortSignal?: AbortSignal };
type Tool = { readonly execute: (input: { readonly query: string }, options: CallOptions) => unknown };
type Content = { readonly type: string; readonly output?: unknown; readonly error?: unknown };
type Result = {
  readonly text: string;
  readonly steps: readonly { readonly content: readonly Content[] }[];
  readonly response: { readonly messages: readonly object[] };
};
type Streamed = { readonly stream: AsyncIterable<Record<string, unknown>> };
type Ai = {
  generateText(options: object): Promise<Result>;
  streamText(options: object): Streamed;
  tool(options: object): Tool;
  isStepCount(count: number): unknown;
  jsonSchema(schema: object): unknown;
};
type Prompts = {
  readonly doGenerateCalls: readonly { readonly prompt: unknown }[];
  readonly doStreamCalls: readonly object[];
};
type AiTest = {
  readonly MockLanguageModelV4: new (script: object) => Prompts;
  convertArrayToReadableStream(parts: readonly object[]): unknown;
};
type Sample = {
  answerer(
    stint: Stint,
    model: unknown,
    where: { readonly url: string; readonly grant: Grant },
  ): (runId: string, prompt: string) => Promise<Result>;
};

const TOKEN_MS = 120_000;

let scene: AdapterScene;
let ai: Ai;
let aiTest: AiTest;
let sample: Sample;
beforeAll(async () => {
  const { load } = await adapterFrameworks();
  ai = (await load("ai")) as Ai;
  aiTest = (await load("ai/test")) as AiTest;
  sample = (await load("./samples/ai.ts")) as Sample;
  scene = await adapterScene();
}, INSTALL_MS_MAX);
afterAll(() => scene?.close());

const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };
const call = (toolCallId: string, query = toolCallId, toolName = "search") => ({
  type: "tool-call",
  toolCallId,
  toolName,
  input: JSON.stringify({ query }),
});
const calls = (...content: readonly object[]) => ({
  content,
  finishReason: { unified: "tool-calls" },
  usage,
  warnings: [],
});
const text = (said: string) => ({
  content: [{ type: "text", text: said }],
  finishReason: { unified: "stop" },
  usage,
  warnings: [],
});
const modelOf = (...doGenerate: readonly object[]) => new aiTest.MockLanguageModelV4({ doGenerate });

/** Settings under which a tool `search` may be granted nothing but that. */
const settings = () => ({ calls: { search: { grant: scene.grant("search") } } });
const toolOf = (execute: Tool["execute"]) =>
  ai.tool({
    description: "Looks something up",
    inputSchema: ai.jsonSchema({ type: "object", properties: { query: { type: "string" } } }),
    execute,
  });

let runs = 0;
function nextRun() {
  runs += 1;
  return { opener: scene.stint, runId: `ai-${runs}` };
}

/** What a run keeps and sends anywhere. */
async function generated(tools: object, script: readonly object[], options: object = {}) {
  const model = modelOf(...script);
  const told: unknown[] = [];
  const tell = (event: unknown) => void told.push(event);
  const integration = {
    onStart: tell,
    onStepStart: tell,
    onLanguageModelCallStart: tell,
    onLanguageModelCallEnd: tell,
    onToolExecutionStart: tell,
    onToolExecutionEnd: tell,
    onStepEnd: tell,
    onEnd: tell,
    onError: tell,
  };
  const result = await ai.generateText({
    model,
    tools,
    prompt: "Look it up",
    stopWhen: ai.isStepCount(5),
    telemetry: { isEnabled: true, integrations: [integration] },
    ...options,
  });
  return { result, model, told, prompts: JSON.stringify(model.doGenerateCalls.map(({ prompt }) => prompt)) };
}

describe("a tool of the AI SDK", () => {
  test("is called in a step of its own, and nothing of a credential stays in what the AI SDK keeps or sends", async () => {
    scene.answer((request, response) => request.pipe(response));
    const where = { url: `${scene.origin}/raw`, grant: scene.grant("search") };
    const model = modelOf(calls(call("one"), call("two")), text("done"));
    const { runId } = nextRun();
    const result = await sample.answerer(scene.stint, model, where)(runId, "Look it up");
    expect(result.text).toBe("done");
    expect(result.steps[0]?.content.flatMap(({ output }) => output ?? [])).toEqual(["one", "two"]);
    expect(await scene.stateOf(runId, "search.one")).toBe("COMPLETED");
    expect(await scene.stateOf(runId, "search.two")).toBe("COMPLETED");
    expect(scene.seen.filter(({ headers }) => headers.authorization !== undefined).length).toBeGreaterThan(1);
    expect(scene.holdsCredential({ result, model })).toEqual([]);
  });

  test("that was refused tells the model what to do, and nothing else; the run goes on", async () => {
    const elements = scene.grant("search").map((element) => ({ ...element, actions: ["write"] as const }));
    const { runId, opener } = nextRun();
    const given = { calls: { search: { grant: elements } }, run: { opener, runId } };
    const tools = stepTools({ search: toolOf(() => "found") }, given);
    const { result, prompts, model, told } = await generated(tools, [calls(call("one")), text("sorry")]);
    expect(result.text).toBe("sorry");
    expect(prompts).toContain(
      'The call of the tool \\"search\\" was not permitted (POLICY_DENIED). It takes a grant of search at',
    );
    expect(result.steps[0]?.content.find(({ type }) => type === "tool-error")?.error).toMatchObject({
      name: "ToolRefusal",
      refusal: { tool: "search", reason: "POLICY_DENIED", refused: elements },
    });
    expect(told.length).toBeGreaterThan(5);
    expect(scene.holdsCredential({ result, model, told })).toEqual([]);
  });

  test("that fails by itself tells its error, without the credential in it, and fails its step", async () => {
    const run = nextRun();
    const tools = stepTools(
      {
        search: toolOf(async () => {
          const svid = await currentStep()?.jwtSvid(`${scene.origin}/raw`);
          throw new TypeError(`no answer to Bearer ${svid?.svid()}`);
        }),
      },
      { ...settings(), run },
    );
    const { result, prompts, model, told } = await generated(tools, [calls(call("one")), text("sorry")]);
    expect(prompts).toContain("no answer to Bearer [credential]");
    expect(await scene.stateOf(run.runId, "search.one")).toBe("FAILED");
    expect(scene.holdsCredential({ result, model, told })).toEqual([]);
  });

  test("whose run is aborted is cancelled, whatever it returns", async () => {
    const run = nextRun();
    const caller = new AbortController();
    const tools = stepTools(
      {
        search: toolOf(async (_input, { abortSignal }) => {
          caller.abort();
          return abortSignal?.aborted;
        }),
      },
      { ...settings(), run },
    );
    const thrown = await thrownBy(generated(tools, [calls(call("one"))], { abortSignal: caller.signal }));
    expect(thrown).toMatchObject({ name: "AbortError" });
    expect(await scene.stateOf(run.runId, "search.one")).toBe("CANCELLED");
  });

  test("whose step is taken back hears of it, and its result does not count", async () => {
    const run = nextRun();
    const begun = Promise.withResolvers<void>();
    let heard: boolean | undefined;
    const tools = stepTools(
      {
        search: toolOf(async (_input, { abortSignal }) => {
          begun.resolve();
          if (abortSignal !== undefined && !abortSignal.aborted) await once(abortSignal, "abort");
          heard = abortSignal?.aborted;
          return "late";
        }),
      },
      { ...settings(), run },
    );
    const work = generated(tools, [calls(call("one")), text("sorry")]);
    await begun.promise;
    await using newer = await scene.stint.openStep({ runId: run.runId, step: "search.one", attempt: 2 });
    const { prompts } = await work;
    expect([newer.name.attempt, heard]).toEqual([2, true]);
    expect(prompts).toContain("has ended (SUPERSEDED): its result does not count");
    expect(prompts).not.toContain("late");
  });

  test("of two runs at once works in the step of its own run, also with the same ids", async () => {
    const both = Promise.withResolvers<void>();
    let inside = 0;
    const search = toolOf(async () => {
      inside += 1;
      if (inside === 2) both.resolve();
      await both.promise;
      return currentStep()?.name.runId;
    });
    const tools = stepTools({ search }, settings());
    const outputs = async () => {
      const run = nextRun();
      const { result } = await inToolRun(run, () => generated(tools, [calls(call("one")), text("done")]));
      return [run.runId, result.steps[0]?.content.find(({ type }) => type === "tool-result")?.output];
    };
    for (const [runId, output] of await Promise.all([outputs(), outputs()])) expect(output).toBe(runId);
  });

  test("works in the step of the run within withStep", async () => {
    const { runId } = nextRun();
    const tools = stepTools({ search: toolOf(() => currentStep()?.name.step) });
    const { result } = await scene.stint.withStep({ runId, step: "answer" }, () =>
      generated(tools, [calls(call("one")), text("done")]),
    );
    expect(result.steps[0]?.content.find(({ type }) => type === "tool-result")?.output).toBe("answer");
  });

  test("that gives its result in parts has its step until the last", async () => {
    const run = nextRun();
    const states: (string | undefined)[] = [];
    const tools = stepTools(
      {
        search: toolOf(async function* () {
          yield "a part";
          states.push(currentStep()?.name.step);
          yield "all of it";
        }),
      },
      { ...settings(), run },
    );
    const { stream } = ai.streamText({
      model: new aiTest.MockLanguageModelV4({
        doStream: {
          stream: aiTest.convertArrayToReadableStream([
            call("one"),
            { type: "finish", finishReason: { unified: "tool-calls" }, usage },
          ]),
        },
      }),
      tools,
      prompt: "Look it up",
    });
    const outputs: unknown[] = [];
    for await (const { type, preliminary, output } of stream) {
      if (type === "tool-result") outputs.push([preliminary === true, output]);
    }
    expect(outputs).toEqual([
      [true, "a part"],
      [true, "all of it"],
      [false, "all of it"],
    ]);
    expect(states).toEqual(["search.one"]);
    expect(await scene.stateOf(run.runId, "search.one")).toBe("COMPLETED");
  });

  test("that returns parts from a plain function counts by the last", async () => {
    async function* parts() {
      yield "a part";
      yield "all of it";
    }
    const tools = stepTools({ search: toolOf(() => parts()) }, { ...settings(), run: nextRun() });
    const { result } = await generated(tools, [calls(call("one")), text("done")]);
    expect(result.steps[0]?.content.find(({ type }) => type === "tool-result")?.output).toBe("all of it");
  });

  test("that waits for a person has no step until it was approved", async () => {
    const run = nextRun();
    let ran = 0;
    const search = toolOf(() => {
      ran += 1;
      return "found";
    });
    const tools = stepTools({ search }, { ...settings(), run });
    const toolApproval = { search: "user-approval" };
    const paused = await generated(tools, [calls(call("one"))], { toolApproval });
    expect(await scene.stateOf(run.runId, "search.one")).toBe("STEP_NOT_FOUND");
    const request = paused.result.steps[0]?.content.find(({ type }) => type === "tool-approval-request") as
      | { readonly approvalId: string }
      | undefined;
    const approved = { type: "tool-approval-response", approvalId: request?.approvalId, approved: true };
    const messages = [
      { role: "user", content: "Look it up" },
      ...paused.result.response.messages,
      { role: "tool", content: [approved] },
    ];
    await generated(tools, [text("done")], { toolApproval, messages, prompt: undefined });
    expect(ran).toBe(1);
    expect(await scene.stateOf(run.runId, "search.one")).toBe("COMPLETED");
  });

  test("works for ten minutes with tokens that live two", async () => {
    const { settings: long, ages, work } = await tenMinutesOfWork("search");
    const { prompts } = await generated(stepTools({ search: toolOf(work) }, long), [calls(call("one")), text("done")]);
    expect(prompts).toContain("ten minutes");
    expect(Math.max(...ages)).toBeLessThan(TOKEN_MS);
  });

  test("without settings, or with settings and no tool, is refused when tools are wrapped", () => {
    const search = toolOf(() => "found");
    expect(() => stepTools({ search, other: search }, settings())).toThrow("nothing is said of the tool other");
    expect(() => stepTools({}, settings() as object)).toThrow("there is no tool search");
    const provided = { type: "provider", id: "x.search" };
    expect(stepTools({ search, provided }, settings()).provided).toBe(provided);
  });
});
