import { randomUUID } from "node:crypto";
import {
  isInitializeRequest,
  isJSONRPCRequest,
  isJSONRPCResponse,
  type JSONRPCMessage,
  type JSONRPCNotification,
  type JSONRPCRequest,
  type RequestId,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import type { ForwardedRequest } from "../sdk/mcp-guard/guarded-request.ts";
import { signalledRequest } from "../sdk/mcp-guard/signalled-request.ts";
import { toolCalledBy } from "./injected-message.ts";
import type { ProcessEvents, ServerProcess } from "./server-process.ts";
import { failureMessage, UpstreamFailure } from "./upstream-failure.ts";

/** The session of HTTP by which one client speaks to processes of its own. */
export type ProcessSession = {
  /** `undefined` until the client has initialized it. */
  readonly id: () => string | undefined;
  serve(request: ForwardedRequest, body: unknown): Promise<Response>;
  /** Ends its processes and its streams. */
  end(): void;
};

export type SessionTerms = {
  /** Starts a process with the secrets of a tool and its group. @throws UpstreamFailure */
  readonly start: (
    tool: string | undefined,
    events: Pick<ProcessEvents, "message" | "ended">,
  ) => Promise<ServerProcess>;
  /** The group of a tool, or of what calls none. */
  readonly groupOf: (tool: string | undefined) => string;
  readonly ended: () => void;
};

/** A request of the client without an answer yet. */
type Running = { readonly group: string; readonly progressToken: unknown };
/** A request of a process that the client has not answered yet. */
type Asked = { readonly group: string; readonly id: RequestId };

/**
 * Begins a session with the process for what calls no tool of another group. For these a process is started when the first of
 * their tools is called, and told what the client has said when it began.
 *
 * @throws UpstreamFailure
 */
export async function beginProcessSession({ start, groupOf, ended }: SessionTerms): Promise<ProcessSession> {
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessionclosed: () => end(),
  });
  const main = groupOf(undefined);
  const processes = new Map<string, Promise<ServerProcess>>();
  /** The newest last. */
  const running = new Map<RequestId, Running>();
  /** By the id that the client knows. */
  const asked = new Map<RequestId, Asked>();
  let begun: JSONRPCRequest | undefined;
  let isOver = false;

  function end(): void {
    if (isOver) return;
    isOver = true;
    for (const one of processes.values()) void one.then((process) => process.end()).catch(() => undefined);
    void transport.close();
    ended();
  }

  const told = (message: JSONRPCMessage, relatedRequestId?: RequestId) =>
    void transport.send(message, relatedRequestId === undefined ? {} : { relatedRequestId }).catch(() => undefined);

  function failed(ids: Iterable<RequestId>, failure: UpstreamFailure): void {
    for (const id of [...ids]) {
      if (running.delete(id)) told(failureMessage(failure, id) as JSONRPCMessage);
    }
  }

  function left(group: string, why: UpstreamFailure): void {
    processes.delete(group);
    const ids = [...running].filter(([, one]) => one.group === group).map(([id]) => id);
    failed(ids, why);
    if (group === main) end();
  }

  function processFor(tool: string | undefined): Promise<ServerProcess> {
    const group = groupOf(tool);
    const known = processes.get(group);
    if (known !== undefined) return known;
    const starting = group === main ? start(tool, eventsOf(group)) : startedLater(tool, group);
    processes.set(group, starting);
    starting.catch(() => processes.delete(group));
    return starting;
  }

  const eventsOf = (group: string) => ({
    message: (message: JSONRPCMessage) => toClient(group, message),
    ended: (why: UpstreamFailure) => left(group, why),
  });

  /** Begins as the client has begun; what the server answers to that the client has heard from the first process. */
  async function startedLater(tool: string | undefined, group: string): Promise<ServerProcess> {
    const initialized = Promise.withResolvers<void>();
    const id = randomUUID();
    const process = await start(tool, {
      ended(why) {
        initialized.reject(why);
        left(group, why);
      },
      message(message) {
        if (isJSONRPCResponse(message) && message.id === id) initialized.resolve();
        else toClient(group, message);
      },
    });
    if (begun !== undefined) process.send({ ...begun, id });
    await initialized.promise;
    process.send({ jsonrpc: "2.0", method: "notifications/initialized" });
    return process;
  }

  function toServer(message: JSONRPCMessage): void {
    if (isJSONRPCResponse(message)) answered(message);
    else if (isJSONRPCRequest(message)) requested(message);
    else noticed(message);
  }

  function requested(message: JSONRPCRequest): void {
    if (isInitializeRequest(message)) begun = message;
    const { id, params } = message;
    const tool = toolCalledBy(message);
    running.set(id, { group: groupOf(tool), progressToken: params?._meta?.progressToken });
    processFor(tool).then(
      (process) => process.send(message),
      (thrown) => {
        const failure = thrown instanceof UpstreamFailure ? thrown : undefined;
        failed([id], failure ?? new UpstreamFailure("UPSTREAM_UNREACHABLE", "the server can't be started"));
      },
    );
  }

  function answered(message: Extract<JSONRPCMessage, { id?: RequestId | undefined }>): void {
    const one = message.id === undefined ? undefined : asked.get(message.id);
    if (message.id === undefined || one === undefined) return;
    asked.delete(message.id);
    void processes.get(one.group)?.then((process) => process.send({ ...message, id: one.id } as JSONRPCMessage));
  }

  /** A cancellation is for the process that is at it; whatever else a client tells is for all. */
  function noticed(message: JSONRPCMessage): void {
    const group = running.get(cancelledBy(message) ?? "")?.group;
    const concerned = group === undefined ? [...processes.values()] : [processes.get(group)];
    for (const one of concerned) void one?.then((process) => process.send(message)).catch(() => undefined);
  }

  function toClient(group: string, message: JSONRPCMessage): void {
    if (isJSONRPCResponse(message)) {
      if (message.id !== undefined) running.delete(message.id);
      told(message);
    } else if (isJSONRPCRequest(message)) {
      // Two processes may count their requests alike.
      const id = group === main && !asked.has(message.id) ? message.id : randomUUID();
      asked.set(id, { group, id: message.id });
      told({ ...message, id }, relatedTo(group, message));
    } else told(asTheClientKnows(group, message), relatedTo(group, message));
  }

  /** A process that gives up a request of its own names it as the process does. */
  function asTheClientKnows(group: string, message: JSONRPCNotification): JSONRPCMessage {
    const cancelled = cancelledBy(message);
    const [known] = [...asked].find(([, one]) => one.group === group && one.id === cancelled) ?? [];
    return known === undefined ? message : { ...message, params: { ...message.params, requestId: known } };
  }

  /** Over pipes nothing says which request a message belongs to, but for progress; so it goes to the newest of its process. */
  function relatedTo(group: string, message: JSONRPCMessage): RequestId | undefined {
    const token = "params" in message ? message.params?.["progressToken"] : undefined;
    const own = [...running].filter(([, one]) => one.group === group);
    const byToken = token === undefined ? undefined : own.find(([, one]) => one.progressToken === token);
    return (byToken ?? own.at(-1))?.[0];
  }

  transport.onmessage = toServer;
  await transport.start();
  await processFor(undefined);

  return {
    id: () => transport.sessionId,
    async serve(request, body) {
      const message = body as JSONRPCMessage | undefined;
      if (message !== undefined && isJSONRPCRequest(message)) {
        const { id } = message;
        // Whoever has gone, or may not go on, needs no answer.
        request.signal.addEventListener("abort", () => {
          noticed({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id } });
          running.delete(id);
        });
      }
      return handledBy(transport, request, body);
    },
    end,
  };
}

/** The transport takes a Request, and looks at nothing of it but its head. */
export function handledBy(
  transport: WebStandardStreamableHTTPServerTransport,
  { url, ...head }: ForwardedRequest,
  body: unknown,
): Promise<Response> {
  return transport.handleRequest(signalledRequest(url, head), body === undefined ? {} : { parsedBody: body });
}

function cancelledBy(message: JSONRPCMessage): RequestId | undefined {
  if (!("method" in message) || message.method !== "notifications/cancelled") return undefined;
  const { requestId } = (message.params ?? {}) as { readonly requestId?: unknown };
  return typeof requestId === "string" || typeof requestId === "number" ? requestId : undefined;
}
