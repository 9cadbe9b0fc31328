import type { Grant, Stint } from "../../../../src/sdk/runtime/index.ts";
import { adapterFrameworks } from "../adapter-scene.ts";

export type Context = {
  readonly abortSignal?: AbortSignal;
  readonly agent?: { readonly resumeData?: { readonly answer: string }; suspend(payload: object): Promise<void> };
};
export type Execute = (input: unknown, context: Context) => unknown;
export type Generated = { readonly finishReason: string; readonly text: string; readonly runId: string };
export type Agent = {
  generate(prompt: string, options: object): Promise<Generated>;
  stream(prompt: string, options: object): Promise<{ readonly fullStream: AsyncIterable<unknown> }>;
  approveToolCallGenerate(options: object): Promise<Generated>;
  resumeGenerate(answer: object, options: object): Promise<Generated>;
};
export type Call = readonly [id: string, tool: string, input?: object];
export type CreateTool = (options: {
  readonly id: string;
  readonly description: string;
  readonly inputSchema: unknown;
  readonly outputSchema?: unknown;
  readonly requireApproval?: boolean;
  readonly execute: Execute;
}) => object;
type Workflow = {
  then(step: unknown): Workflow;
  commit(): {
    createRun(): Promise<{ readonly runId: string; start(given: object): Promise<{ readonly status: string }> }>;
  };
};
type Loaded = {
  readonly core: { readonly Mastra: new (options: object) => object };
  readonly agents: { readonly Agent: new (options: object) => Agent };
  readonly tools: { readonly createTool: CreateTool };
  readonly workflows: { createWorkflow(options: object): Workflow; createStep(tool: object): unknown };
  readonly storage: { readonly LibSQLStore: new (options: object) => object };
  readonly memory: { readonly Memory: new (options: object) => object };
  readonly observability: { readonly Observability: new (options: object) => object };
  readonly zod: { readonly z: { object(shape: object): unknown; any(): unknown; string(): unknown } };
};
type Sample = {
  answerer(
    stint: Stint,
    model: object,
    where: { readonly url: string; readonly grant: Grant },
  ): (runId: string, prompt: string, signal: AbortSignal) => Promise<Generated>;
};

const USAGE = { inputTokens: 1, outputTokens: 1, totalTokens: 2 };

/** Wants the tools of each turn called, and then says a word. `seen`: what it was sent. */
export function scriptedModel(turns: readonly (readonly Call[])[]) {
  const seen: unknown[] = [];
  function answer(prompt: unknown) {
    const calls = turns[seen.length] ?? [];
    seen.push(prompt);
    return calls.map(([toolCallId, toolName, input = {}]) => {
      return { type: "tool-call", toolCallId, toolName, input: JSON.stringify(input) };
    });
  }
  return {
    seen,
    specificationVersion: "v2",
    provider: "scripted",
    modelId: "scripted",
    supportedUrls: {},
    async doGenerate({ prompt }: { readonly prompt: unknown }) {
      const calls = answer(prompt);
      const content = calls.length > 0 ? calls : [{ type: "text", text: "done" }];
      return { content, finishReason: calls.length > 0 ? "tool-calls" : "stop", usage: USAGE, warnings: [] };
    },
    async doStream({ prompt }: { readonly prompt: unknown }) {
      const calls = answer(prompt);
      const said = ["text-start", "text-delta", "text-end"].map((type) => ({ type, id: "1", delta: "done" }));
      const finishReason = calls.length > 0 ? "tool-calls" : "stop";
      const parts = [...(calls.length > 0 ? calls : said), { type: "finish", finishReason, usage: USAGE }];
      return { stream: ReadableStream.from(parts) };
    },
  };
}

/** The real Mastra, with a store on disk, memory and traces. */
export async function mastraScene() {
  const { load, complaints } = await adapterFrameworks(import.meta.dirname);
  const loaded = {
    core: await load("@mastra/core"),
    agents: await load("@mastra/core/agent"),
    tools: await load("@mastra/core/tools"),
    workflows: await load("@mastra/core/workflows"),
    storage: await load("@mastra/libsql"),
    memory: await load("@mastra/memory"),
    observability: await load("@mastra/observability"),
    zod: await load("zod"),
  } as Loaded;
  const sample = (await load("./samples/mastra.ts")) as Sample;
  const traced: unknown[] = [];
  const keep = async (event: unknown) => void traced.push(event);
  const nothing = async () => undefined;
  const exporter = { name: "kept", exportTracingEvent: keep, onTracingEvent: keep, flush: nothing, shutdown: nothing };
  const { z } = loaded.zod;

  return {
    complaints,
    sample,
    traced,
    createTool: loaded.tools.createTool,
    schema: z.object({}),
    /** An agent with these tools, whose state, memory and traces are kept; the store is this file. */
    agentOf(model: object, tools: object, file: string): Agent {
      const storage = new loaded.storage.LibSQLStore({ id: "store", url: `file:${file}` });
      const memory = new loaded.memory.Memory({ storage });
      const agent = new loaded.agents.Agent({
        id: "researcher",
        name: "researcher",
        instructions: "look it up",
        model,
        tools,
        memory,
      });
      const observability = new loaded.observability.Observability({
        configs: { default: { serviceName: "owls", exporters: [exporter] } },
      });
      new loaded.core.Mastra({ agents: { researcher: agent }, storage, observability, logger: false });
      return agent;
    },
    workflowRun(tool: object) {
      const workflow = loaded.workflows.createWorkflow({ id: "w", inputSchema: z.object({}), outputSchema: z.any() });
      return workflow.then(loaded.workflows.createStep(tool)).commit().createRun();
    },
    text: z.string(),
  };
}
