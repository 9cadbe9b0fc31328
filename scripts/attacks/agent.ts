// An agent, or a sub-agent, in a process of its own. What it may do comes from its environment: a key, or the place of a broker.
import { inToolRun } from "stint-sdk/adapters";
import { createDpopKey, createStint, type Step } from "stint-sdk/runtime";
import { serveCommands } from "../demo/actor.ts";
import { bearing, callTool } from "../demo/mcp-call.ts";
import { type Turn, work } from "./agent-loop.ts";
import { attempt, attemptToOpen } from "./attempts.ts";
import { grantFor } from "./grants.ts";
import { scriptedModel, type ToolUse } from "./scripted-model.ts";
import type { ShopServer } from "./shop.ts";
import { type Places, toolboxByKeys, toolboxInSteps } from "./toolboxes.ts";

const key = process.env["MCP_API_KEY"];
const notes = process.env["NOTES_API_KEY"] ?? "";
const stint = key === undefined ? createStint({ agent: "clerk" }) : undefined;
const steps = new Map<string, Step>();

type Job = Places & { readonly run: string; readonly plan: readonly ToolUse[] };
type Tool = { readonly server: ShopServer; readonly tool: string };
type Named = Places & Tool & { readonly run: string };

function stepOf(run: string): Step {
  const step = steps.get(run);
  if (step === undefined) throw new Error(`no step in ${run}`);
  return step;
}

const commands = {
  /** Has the model work through a job, each call of a tool in a step of its own where there is a broker. */
  async work({ run, plan, ...places }: Job): Promise<readonly Turn[]> {
    const model = scriptedModel(plan);
    if (stint !== undefined) return inToolRun({ opener: stint, runId: run }, () => work(model, toolboxInSteps(places)));
    await using tools = await toolboxByKeys(places, { own: key ?? "", notes });
    return await work(model, tools);
  },

  /** Begins a longer piece of work with some tools. */
  async begin({ run, tools, resources }: Places & { readonly run: string; readonly tools: readonly Tool[] }) {
    if (stint === undefined) return { stepId: "" };
    const grant = tools.flatMap(({ server, tool }) => grantFor(resources, server, tool));
    const step = await stint.openStep({ runId: run, step: "job", grant });
    steps.set(run, step);
    return { stepId: step.stepId };
  },

  /** What goes over the wire with its requests: whoever reads that has it. @returns its end too, where it has one, in milliseconds since 1970 */
  async authorization({
    run,
    server,
    resources,
    isBound = false,
  }: Omit<Named, "tool"> & { readonly isBound?: boolean }) {
    if (stint === undefined) return { authorization: `Bearer ${key}`, expiresAtMs: undefined };
    const boundTo = isBound ? await createDpopKey() : undefined;
    const svid = await stepOf(run).jwtSvid(resources[server], { boundTo });
    return { authorization: svid.authorization(), expiresAtMs: svid.expiresAt.getTime() };
  },

  async end({ run }: { readonly run: string }) {
    if (stint !== undefined) await stepOf(run).close("COMPLETED", { awaitReceiptsSeconds: 5 });
  },

  /** Gives a part of a step to the process of a sub-agent. */
  async delegate({ run, server, tool, pid, ...places }: Named & { readonly pid: number }) {
    const grant = grantFor(places.resources, server, tool);
    const child = await stepOf(run).openStep({ agent: "reader", step: "part", grant, executor: { pid } });
    return { stepId: child.stepId };
  },

  /** Takes up what was delegated to this process. */
  async takeUp({ run, stepId }: { readonly run: string; readonly stepId: string }) {
    if (stint !== undefined) steps.set(run, await stint.resumeStep({ stepId }));
  },

  /** Calls a tool with the credential that it has for `tokenFor`. */
  async call({ run, server, tool, resources, tokenFor, ...rest }: Call) {
    const { authorization } = await commands.authorization({ run, server: tokenFor, resources, ...rest });
    return callTool({ resource: resources[server], tool, arguments: rest.arguments, send: bearing(authorization) });
  },

  /** Asks the broker for a token of its step for another server. */
  attemptAudience: async ({ run, server, resources }: Omit<Named, "tool">) =>
    attempt(() => stepOf(run).jwtSvid(resources[server])),

  /** Asks the broker for a token of a step that is another process's. */
  attemptOther: async ({ stepId, server, resources }: Omit<Named, "tool" | "run"> & { readonly stepId: string }) =>
    attempt(async () => {
      const other = await (stint ?? createStint()).resumeStep({ stepId, hold: false });
      await other.jwtSvid(resources[server]);
    }),

  attemptToOpen,
};

type Call = Named & { readonly tokenFor: ShopServer; readonly arguments: Record<string, unknown> };

export type AgentCommands = typeof commands;
serveCommands(commands);
