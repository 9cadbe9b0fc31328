import { randomUUID } from "node:crypto";
import type { Grant } from "../../../domain/grant.ts";
import type { Fetch, OutcomeOf, Step } from "../../runtime/index.ts";
import { failedByResult, type RefusedResult, refusedResult } from "../call-tool-result.ts";
import { shownError } from "../shown-error.ts";
import type { ToolCall } from "../tool-call.ts";
import { ToolRefusal } from "../tool-refusal.ts";
import { toolRunOf } from "../tool-run.ts";
import { type ToolSettings, workOnCall } from "../work-on-call.ts";
import { approvedCall, type OnApprovalNeeded } from "./approved-call.ts";
import { type CallOptions, requestOptionsOf } from "./call-options.ts";
import { clientsOfSteps } from "./clients-of-steps.ts";

/** What is given to the client beside the caller's own options. */
export type RequestOptions = { readonly signal: AbortSignal; readonly timeout: number };

/** How the clients of one line of the MCP SDK are asked. */
export type ClientLine<Client, Params, Result, Listing> = {
  callTool(client: Client, params: Params, options: RequestOptions): Promise<Result>;
  listTools(client: Client, options: RequestOptions): Promise<Listing>;
};

export type McpToolsOptions<Client> = ToolSettings & {
  /**
   * Gives a client that is connected by this `fetch`, which is the step's. Called for each step, since a server may tie a session to the step
   * that began it; the client is closed with the step.
   */
  readonly connect: (fetch: Fetch) => Promise<Client>;
  /**
   * Called where a call waits for an approval, with its `approvalId`; the same call is made again in the same step once this resolves. Absent: the
   * call is refused.
   */
  readonly onApprovalNeeded?: OnApprovalNeeded | undefined;
  /** What the caller sees of a refusal: a result for a model, with `isError`, or a `ToolRefusal` that is thrown. Absent: the result. */
  readonly refusals?: "result" | "throw" | undefined;
};

export type McpTools<Params, Options, Result, Listing> = {
  /**
   * Calls a tool in a step of its own, or in that of the run. A result with `isError` fails the step.
   *
   * @param options - those of the client's own request as well: `onprogress` and the like.
   * @throws ToolRefusal where refusals are to be thrown; else what the client throws, but for credentials in it
   */
  callTool(params: Params, options?: Options & CallOptions): Promise<Result | RefusedResult>;
  /**
   * The tools that the step may see. With a step for each call this is one too, and asks for the grants of all tools that `calls` names, but
   * for those that are functions of a call.
   *
   * @throws as `callTool` where refusals are to be thrown
   */
  listTools(options?: Options & CallOptions): Promise<Listing>;
};

/** Stands for the tool in the step of a listing; no tool has such a name. */
const LISTING = "tools/list";

/** @param line - how clients are asked. */
export function mcpToolsOf<
  Client extends { close(): Promise<void> },
  Params extends { readonly name: string; readonly arguments?: unknown },
  Options extends object,
  Result,
  Listing,
>(
  line: ClientLine<Client, Params, Result, Listing>,
  { connect, refusals = "result", onApprovalNeeded, ...settings }: McpToolsOptions<Client>,
): McpTools<Params, Options, Result, Listing> {
  const clients = clientsOfSteps(connect);

  /** The client of the run's step is kept until that ends; that of a call's own goes with the call. */
  function ask<Answer>(
    call: ToolCall,
    { calls, options, outcomeOf }: Asking,
    work: (client: Client, request: RequestOptions) => Promise<Answer>,
  ): Promise<Answer> {
    const run = toolRunOf(settings.run);
    const inStep = async (step: Step, signal: AbortSignal) => {
      const request = requestOptionsOf(options, step, signal);
      if ("step" in run) return work(await clients.of(step), request);
      const client = await connect(step.fetch);
      try {
        return await work(client, request);
      } finally {
        await client.close().catch(() => undefined);
      }
    };
    return workOnCall(call, { calls, run }, inStep, outcomeOf);
  }

  return {
    async callTool(params, options) {
      const { callId = randomUUID(), attempt, signal } = options ?? {};
      const call = { tool: params.name, callId, attempt, signal, input: params.arguments };
      const asking = { calls: settings.calls, options: options ?? {}, outcomeOf: failedByResult(signal) };
      try {
        return await ask(call, asking, (client, request) =>
          approvedCall(() => line.callTool(client, params, request), {
            tool: params.name,
            signal: request.signal,
            onApprovalNeeded,
          }),
        );
      } catch (thrown) {
        const shown = shownError(thrown, params.name);
        if (shown instanceof ToolRefusal && refusals === "result") return refusedResult(shown);
        throw shown;
      }
    },
    async listTools(options) {
      const { callId = randomUUID(), attempt, signal } = options ?? {};
      const calls = { [LISTING]: { grant: grantOfAll(settings) } };
      try {
        const call = { tool: LISTING, callId, attempt, signal };
        return await ask(call, { calls, options: options ?? {} }, (client, request) => line.listTools(client, request));
      } catch (thrown) {
        throw shownError(thrown, LISTING);
      }
    },
  };
}

type Asking = {
  readonly calls: ToolSettings["calls"];
  readonly options: CallOptions;
  readonly outcomeOf?: OutcomeOf;
};

function grantOfAll({ calls = {} }: ToolSettings): Grant {
  return Object.values(calls).flatMap((options) => (typeof options === "function" ? [] : (options?.grant ?? [])));
}
