import { beforeAll, describe, expect, test } from "vitest";
import { Outcome } from "../../../src/gen/stint/v1/steps_pb.js";
import { outcomeOf } from "../../docs/framework-outcomes.ts";
import { keptModules } from "../../kept-modules.ts";
import { scriptedBroker, thrownBy } from "../../sdk/runtime/scripted-broker.ts";

// Frameworks return where one expects a throw, and the other way round. What each does is not written down here but done by it.

/** Time to download and unpack the packages, once; afterwards they are there. */
const INSTALL_MS_MAX = 300_000;
const STEP = { runId: "run-1", step: "ask" } as const;

let load: (name: string) => Promise<unknown>;
beforeAll(async () => {
  load = await keptModules(import.meta.dirname);
}, INSTALL_MS_MAX);

describe("LangGraph", () => {
  type Answer = { readonly __interrupt__?: unknown; readonly said?: string };
  type Graph = {
    invoke(input: unknown, options: { readonly signal?: AbortSignal; readonly configurable: object }): Promise<Answer>;
  };
  type Node = () => Promise<Answer>;
  type Building = {
    addNode(name: string, node: Node): Building;
    addEdge(from: string, to: string): Building;
    compile(options: { readonly checkpointer: unknown }): Graph;
  };
  type LangGraph = {
    readonly Annotation: { (): unknown; Root(channels: object): unknown };
    readonly StateGraph: new (state: unknown) => Building;
    readonly MemorySaver: new () => unknown;
    readonly Command: new (command: { readonly resume: unknown }) => unknown;
    interrupt(question: string): string;
    readonly START: string;
    readonly END: string;
  };

  async function langGraph() {
    const library = (await load("@langchain/langgraph")) as LangGraph;
    const { Annotation, StateGraph, MemorySaver, START, END } = library;
    const graphOf = (node: Node) =>
      new StateGraph(Annotation.Root({ said: Annotation() }))
        .addNode("ask", node)
        .addEdge(START, "ask")
        .addEdge("ask", END)
        .compile({ checkpointer: new MemorySaver() });
    return { ...library, graphOf };
  }
  const thread = { configurable: { thread_id: "1" } };

  test("around an invoke that pauses the step is cancelled, and the caller is given the pause; resumed it completes", async () => {
    const { Command, interrupt, graphOf } = await langGraph();
    const broker = await scriptedBroker();
    const stint = broker.stint({ outcomeOf });
    const graph = graphOf(async () => ({ said: interrupt("sure?") }));
    const paused = await stint.withStep(STEP, () => graph.invoke({}, thread));
    expect(paused.__interrupt__).toHaveLength(1);
    const resumed = await stint.withStep(STEP, () => graph.invoke(new Command({ resume: "yes" }), thread));
    expect(resumed.said).toBe("yes");
    expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.CANCELLED }, { outcome: Outcome.COMPLETED }]);
  });

  test("inside of a node that pauses the step is cancelled, and the graph pauses", async () => {
    const { interrupt, graphOf } = await langGraph();
    const broker = await scriptedBroker();
    const stint = broker.stint({ outcomeOf });
    const graph = graphOf(() => stint.withStep(STEP, async () => ({ said: interrupt("sure?") })));
    expect((await graph.invoke({}, thread)).__interrupt__).toHaveLength(1);
    expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.CANCELLED }]);
  });

  test("around an invoke that is aborted the step is cancelled", async () => {
    const { graphOf } = await langGraph();
    const broker = await scriptedBroker();
    const caller = new AbortController();
    const graph = graphOf(async () => {
      caller.abort();
      return { said: "done" };
    });
    const work = broker
      .stint()
      .withStep({ ...STEP, signal: caller.signal }, ({ signal }) => graph.invoke({}, { ...thread, signal }));
    expect(await thrownBy(work)).toMatchObject({ name: "AbortError" });
    expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.CANCELLED }]);
  });
});

describe("Mastra", () => {
  type ToolContext = { readonly agent?: { suspend?(payload: object): Promise<void> } };
  type Execute = (input: unknown, context: ToolContext) => Promise<object>;
  type Generated = { readonly finishReason: string };
  type Mastra = {
    readonly Agent: new (
      options: object,
    ) => {
      generate(
        prompt: string,
        options: { readonly abortSignal?: AbortSignal; readonly maxSteps: number },
      ): Promise<Generated>;
    };
    createTool(options: { readonly id: string; readonly description: string; readonly execute: Execute }): unknown;
  };

  /** A model that wants the tool called, again and again. */
  const model = {
    specificationVersion: "v2",
    provider: "test",
    modelId: "test",
    supportedUrls: {},
    doGenerate: async () => ({
      content: [{ type: "tool-call", toolCallId: "c-1", toolName: "search", input: "{}" }],
      finishReason: "tool-calls",
      usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 },
      warnings: [],
    }),
  };

  async function agentWith(execute: Execute) {
    const { Agent } = (await load("@mastra/core/agent")) as Pick<Mastra, "Agent">;
    const { createTool } = (await load("@mastra/core/tools")) as Pick<Mastra, "createTool">;
    const search = createTool({ id: "search", description: "looks things up", execute });
    return new Agent({ id: "a", name: "a", instructions: "search", model, tools: { search } });
  }

  test("around a generate that resolves because it was aborted the step is cancelled", async () => {
    const broker = await scriptedBroker();
    const caller = new AbortController();
    const agent = await agentWith(async () => {
      caller.abort();
      return {};
    });
    const work = broker
      .stint()
      .withStep({ ...STEP, signal: caller.signal }, ({ signal }) =>
        agent.generate("owls", { abortSignal: signal, maxSteps: 3 }),
      );
    expect(await work).toMatchObject({ finishReason: "aborted" });
    expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.CANCELLED }]);
  });

  test("around a generate that a tool suspended the step is cancelled", async () => {
    const broker = await scriptedBroker();
    const agent = await agentWith(async (_input, { agent }) => {
      await agent?.suspend?.({ why: "a person decides" });
      return {};
    });
    const work = broker.stint({ outcomeOf }).withStep(STEP, () => agent.generate("owls", { maxSteps: 3 }));
    expect(await work).toMatchObject({ finishReason: "suspended" });
    expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.CANCELLED }]);
  });
});
