import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import process from "node:process";
import {
  isJSONRPCRequest,
  isJSONRPCResponse,
  type JSONRPCMessage,
  ReadBuffer,
  type RequestId,
  serializeMessage,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import type { Upstream } from "./guard-config.ts";
import { UpstreamFailure } from "./upstream-failure.ts";

type ProcessUpstream = Extract<Upstream, { kind: "process" }>;

/** A server process of its own, and the session of HTTP by which one client speaks to it. */
export type ProcessSession = {
  /** `undefined` until the client has initialized it. */
  readonly id: () => string | undefined;
  serve(request: Request, body: unknown): Promise<Response>;
  /** Ends the process with whatever it has started, and the streams of the session. */
  end(): void;
};

export type SessionTerms = {
  readonly environment: Readonly<Record<string, string>>;
  /** Told of each line that the process says on standard error, and of what it says that is no message. */
  readonly said: (line: string) => void;
  readonly ended: () => void;
};

/** What ignores the first signal gets the second. */
const KILL_MS = 2_000;
const LINE_CHARACTERS_MAX = 4_096;
const MESSAGE_BYTES_MAX = 32 * 1024 * 1024;
/** What a program needs to be found, and to keep what it installs. */
const INHERITED = ["PATH", "HOME"];
const INTERNAL_ERROR = -32_603;

/**
 * Starts the server for one session. The process gets three pipes and its own environment, and nothing else that the guard
 * has open or knows.
 *
 * @throws UpstreamFailure UPSTREAM_UNREACHABLE
 */
export async function startProcessSession(upstream: ProcessUpstream, terms: SessionTerms): Promise<ProcessSession> {
  const child = await started(upstream, terms.environment);
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessionclosed: () => end(),
  });
  /** Requests of the client without an answer yet, the newest last, each with the token of its progress. */
  const running = new Map<RequestId, unknown>();
  let isOver = false;

  function end(): void {
    if (isOver) return;
    isOver = true;
    killTree(child);
    void transport.close();
    terms.ended();
  }

  function toServer(message: JSONRPCMessage): void {
    if (isJSONRPCRequest(message)) running.set(message.id, message.params?._meta?.progressToken);
    child.stdin?.write(serializeMessage(message));
  }

  function toClient(message: JSONRPCMessage): void {
    if (isJSONRPCResponse(message)) {
      if (message.id !== undefined) running.delete(message.id);
      void transport.send(message).catch(() => undefined);
      return;
    }
    const related = relatedTo(message);
    const options = related === undefined ? undefined : { relatedRequestId: related };
    void transport.send(message, options).catch(() => undefined);
  }

  /** Over pipes nothing says which request a message belongs to, but for progress; so it goes to the newest. */
  function relatedTo(message: JSONRPCMessage): RequestId | undefined {
    const token = "params" in message ? message.params?.["progressToken"] : undefined;
    const newest = [...running.keys()].at(-1);
    if (token === undefined) return newest;
    return [...running].find(([, one]) => one === token)?.[0] ?? newest;
  }

  transport.onmessage = toServer;
  await transport.start();
  readMessages(child, toClient, terms.said, end);
  child.once("exit", (status, signal) => {
    if (!isOver) terms.said(`has ended by itself, with ${signal ?? `status ${status}`}`);
    for (const id of running.keys()) {
      const error = { code: INTERNAL_ERROR, message: "the server has ended", data: { reason: "UPSTREAM_UNREACHABLE" } };
      void transport.send({ jsonrpc: "2.0", id, error }).catch(() => undefined);
    }
    end();
  });

  return {
    id: () => transport.sessionId,
    async serve(request, body) {
      const message = body as JSONRPCMessage | undefined;
      if (message !== undefined && isJSONRPCRequest(message)) {
        const { id } = message;
        // Whoever has gone, or may not go on, needs no answer.
        request.signal.addEventListener("abort", () => {
          if (!running.delete(id)) return;
          toServer({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id } });
        });
      }
      return transport.handleRequest(request, body === undefined ? {} : { parsedBody: body });
    },
    end,
  };
}

async function started(
  upstream: ProcessUpstream,
  environment: Readonly<Record<string, string>>,
): Promise<ChildProcess> {
  const [program, ...args] = upstream.command;
  const inherited = INHERITED.flatMap((name): [string, string][] => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  const child = spawn(program, args, {
    env: { ...Object.fromEntries(inherited), ...upstream.environment, ...environment },
    stdio: ["pipe", "pipe", "pipe"],
    // A process group of its own, so that it ends with what it has started.
    detached: true,
    ...(upstream.directory === undefined ? {} : { cwd: upstream.directory }),
    ...upstream.user,
  });
  // What is written to a process that has ended is lost, and its end is told otherwise.
  child.stdin.on("error", () => undefined);
  const running = Promise.withResolvers<void>();
  child.once("spawn", running.resolve);
  child.on("error", (cause) => {
    running.reject(new UpstreamFailure("UPSTREAM_UNREACHABLE", "the server can't be started", { cause }));
  });
  await running.promise;
  return child;
}

function readMessages(
  child: ChildProcess,
  toClient: (message: JSONRPCMessage) => void,
  said: (line: string) => void,
  end: () => void,
): void {
  const buffer = new ReadBuffer({ maxBufferSize: MESSAGE_BYTES_MAX });
  child.stdout?.on("data", (chunk: Buffer) => {
    try {
      buffer.append(chunk);
    } catch {
      said("a message of more than 32 MiB");
      return end();
    }
    for (;;) {
      let message: JSONRPCMessage | null;
      try {
        message = buffer.readMessage();
      } catch {
        said("a line that is no message");
        continue;
      }
      if (message === null) return;
      toClient(message);
    }
  });
  let rest = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = (lines.pop() ?? "").slice(0, LINE_CHARACTERS_MAX);
    for (const line of lines) said(line.slice(0, LINE_CHARACTERS_MAX));
  });
}

function killTree({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  const kill = (signal: NodeJS.Signals) => {
    try {
      process.kill(-pid, signal);
    } catch {
      // Nobody of the group is left.
    }
  };
  kill("SIGTERM");
  setTimeout(() => kill("SIGKILL"), KILL_MS).unref();
}
