import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { type JSONRPCMessage, ReadBuffer, serializeMessage } from "@modelcontextprotocol/server";
import type { Upstream } from "./guard-config.ts";
import { UpstreamFailure } from "./upstream-failure.ts";

export type ProcessCommand = Extract<Upstream, { kind: "process" }>;

/** A running server that speaks over its standard streams. */
export type ServerProcess = {
  send(message: JSONRPCMessage): void;
  /** Ends the process with whatever it has started. */
  end(): void;
};

export type ProcessEvents = {
  readonly message: (message: JSONRPCMessage) => void;
  /** Told of each line that the process says on standard error, and of what it says that is no message. */
  readonly said: (line: string) => void;
  /** Once, however it came about. */
  readonly ended: () => void;
};

/** What ignores the first signal gets the second. */
const KILL_MS = 2_000;
const LINE_CHARACTERS_MAX = 4_096;
const MESSAGE_BYTES_MAX = 32 * 1024 * 1024;
/** What a program needs to be found, and to keep what it installs. */
const INHERITED = ["PATH", "HOME"];

/**
 * Starts the server. The process gets three pipes and its own environment, and nothing else that the guard has open or knows.
 *
 * @throws UpstreamFailure UPSTREAM_UNREACHABLE
 */
export async function startServerProcess(
  command: ProcessCommand,
  environment: Readonly<Record<string, string>>,
  events: ProcessEvents,
): Promise<ServerProcess> {
  const child = await started(command, environment);
  let isOver = false;
  const end = () => {
    isOver = true;
    killTree(child);
  };
  readMessages(child, events, end);
  child.once("exit", (status, signal) => {
    if (!isOver) events.said(`has ended by itself, with ${signal ?? `status ${status}`}`);
    events.ended();
  });
  return {
    send: (message) => void child.stdin?.write(serializeMessage(message)),
    end,
  };
}

async function started(
  { command: [program, ...args], environment: own, directory, user }: ProcessCommand,
  environment: Readonly<Record<string, string>>,
): Promise<ChildProcess> {
  const inherited = INHERITED.flatMap((name): [string, string][] => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  const child = spawn(program, args, {
    env: { ...Object.fromEntries(inherited), ...own, ...environment },
    stdio: ["pipe", "pipe", "pipe"],
    // A process group of its own, so that it ends with what it has started.
    detached: true,
    ...(directory === undefined ? {} : { cwd: directory }),
    ...user,
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

function readMessages(child: ChildProcess, { message: tell, said }: ProcessEvents, end: () => void): void {
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
      tell(message);
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
