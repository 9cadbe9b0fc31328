import type { Grant, Stint } from "../../../../src/sdk/runtime/index.ts";
import { adapterFrameworks } from "../adapter-scene.ts";

/** What LangChain hands to a tool's function. */
export type Config = { readonly signal?: AbortSignal };
export type Work = (input: Readonly<Record<string, unknown>>, config: Config) => unknown;
export type Message = { getType(): string; readonly content: unknown; readonly status?: string };
export type Answer = { readonly messages: readonly Message[]; readonly __interrupt__?: readonly unknown[] };
export type Tool = {
  readonly name: string;
  readonly description: string;
  invoke(input: unknown, config?: object): Promise<unknown>;
};
export type Call = { readonly name: string; readonly id: string; readonly args?: object };
export type Invoking = {
  readonly signal?: AbortSignal;
  readonly configurable?: object;
  readonly callbacks?: readonly object[];
};
export type Graph = { invoke(input: unknown, options: Invoking): Promise<Answer> };
export type Checkpointer = object;
/** How an agent is built of tools: they differ in what runs again after a pause. */
export type Building = "ToolNode" | "createAgent";

type Class<Instance> = new (...given: never[]) => Instance;
type Loaded = {
  readonly core: {
    readonly AIMessage: new (fields: object) => Message;
    readonly HumanMessage: new (text: string) => Message;
  };
  readonly tools: { tool(work: Work, fields: object): Tool };
  readonly models: { readonly BaseChatModel: new (fields: object) => object };
  readonly tracers: { readonly BaseTracer: new (fields: object) => object };
  readonly graph: {
    readonly StateGraph: new (state: unknown) => StateGraph;
    readonly MessagesAnnotation: unknown;
    readonly MemorySaver: Class<Checkpointer>;
    readonly Command: new (command: object) => object;
    interrupt(question: unknown): unknown;
  };
  readonly prebuilt: { readonly ToolNode: new (tools: readonly Tool[], options: object) => unknown };
  readonly agents: { createAgent(options: object): Graph; toolRetryMiddleware(options: object): object };
  readonly sqlite: { readonly SqliteSaver: { fromConnString(path: string): Checkpointer } };
};
type Sample = {
  publisher(stint: Stint, model: object, checkpointer: Checkpointer, where: { url: string; grant: Grant }): Graph;
};
type StateGraph = {
  addNode(name: string, node: unknown): StateGraph;
  addEdge(from: string, to: string): StateGraph;
  addConditionalEdges(from: string, to: (state: Answer) => string): StateGraph;
  compile(options: object): Graph;
};

/** The real LangChain and LangGraph, with a model that says what a test wrote. */
export async function scriptedGraphs() {
  const { load, complaints } = await adapterFrameworks(import.meta.dirname);
  const loaded = {
    core: await load("@langchain/core/messages"),
    tools: await load("@langchain/core/tools"),
    models: await load("@langchain/core/language_models/chat_models"),
    tracers: await load("@langchain/core/tracers/base"),
    graph: await load("@langchain/langgraph"),
    prebuilt: await load("@langchain/langgraph/prebuilt"),
    agents: await load("langchain"),
    sqlite: await load("@langchain/langgraph-checkpoint-sqlite"),
  } as Loaded;
  const sample = (await load("./samples/langchain.ts")) as Sample;
  const { AIMessage, HumanMessage } = loaded.core;
  const { StateGraph, MessagesAnnotation, Command, MemorySaver, interrupt } = loaded.graph;

  /** Answers with the calls of each turn in its order, and then with a word. `seen`: what it was sent. */
  class ScriptedModel extends loaded.models.BaseChatModel {
    readonly seen: (readonly Message[])[] = [];
    readonly turns: readonly (readonly Call[])[];
    constructor(turns: readonly (readonly Call[])[]) {
      super({});
      this.turns = turns;
    }
    _llmType(): string {
      return "scripted";
    }
    bindTools(): this {
      return this;
    }
    async _generate(messages: readonly Message[]): Promise<object> {
      const calls = this.turns[this.seen.length] ?? [];
      this.seen.push(messages);
      const toolCalls = calls.map(({ args = {}, ...call }) => ({ ...call, args, type: "tool_call" }));
      const message = new AIMessage({ content: calls.length === 0 ? "done" : "", tool_calls: toolCalls });
      return { generations: [{ text: "", message }] };
    }
  }

  /** All that a tracer such as LangSmith's would send away. */
  class Traces extends loaded.tracers.BaseTracer {
    readonly name = "traces";
    readonly runs: unknown[] = [];
    constructor() {
      super({});
    }
    async persistRun(run: unknown): Promise<void> {
      this.runs.push(run);
    }
  }

  function graphOf(
    building: Building,
    turns: readonly (readonly Call[])[],
    tools: readonly Tool[],
    checkpointer: Checkpointer | null = new MemorySaver(),
    middleware: readonly object[] = [],
    nodeOptions: { readonly handleToolErrors?: boolean } = {},
  ): { readonly graph: Graph; readonly model: ScriptedModel } {
    const model = new ScriptedModel(turns);
    const kept = checkpointer === null ? {} : { checkpointer };
    if (building === "createAgent")
      return { model, graph: loaded.agents.createAgent({ model, tools, middleware, ...kept }) };
    const ask = async ({ messages }: Answer) => ({
      messages: [await (model as unknown as { invoke(messages: unknown): Promise<unknown> }).invoke(messages)],
    });
    const next = ({ messages }: Answer) =>
      ((messages.at(-1) as { tool_calls?: readonly unknown[] } | undefined)?.tool_calls?.length ?? 0) > 0
        ? "tools"
        : "__end__";
    const graph = new StateGraph(MessagesAnnotation)
      .addNode("agent", ask)
      .addNode("tools", new loaded.prebuilt.ToolNode(tools, nodeOptions))
      .addEdge("__start__", "agent")
      .addConditionalEdges("agent", next)
      .addEdge("tools", "agent")
      .compile(kept);
    return { graph, model };
  }

  /** A graph whose nodes are these graphs, all at once. */
  function together(graphs: readonly Graph[]): Graph {
    const outer = new StateGraph(MessagesAnnotation);
    for (const [index, graph] of graphs.entries()) {
      outer.addNode(`part${index}`, graph).addEdge("__start__", `part${index}`).addEdge(`part${index}`, "__end__");
    }
    return outer.compile({ checkpointer: new MemorySaver() });
  }

  return {
    complaints,
    sample,
    graphOf,
    together,
    interrupt,
    /** LangChain's own: calls a tool that failed once more, at once. */
    retrying: () => [loaded.agents.toolRetryMiddleware({ maxRetries: 1, initialDelayMs: 0 })],
    traces: () => new Traces(),
    question: () => ({ messages: [new HumanMessage("how many owls?")] }),
    resume: (answer: unknown) => new Command({ resume: answer }),
    memorySaver: () => new MemorySaver(),
    sqliteSaver: (path: string) => loaded.sqlite.SqliteSaver.fromConnString(path),
    toolOf: (name: string, work: Work) =>
      loaded.tools.tool(work, {
        name,
        description: name,
        schema: { type: "object", properties: {}, additionalProperties: true },
      }),
  };
}
