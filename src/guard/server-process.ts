import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { type JSONRPCMessage, ReadBuffer, serializeMessage } from "@modelcontextprotocol/server";
import type { ControlGroup } from "./control-group.ts";
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
  readonly ended: (why: UpstreamFailure) => void;
};

/** What ignores the first signal gets the second. */
const KILL_MS = 2_000;
const LINE_CHARACTERS_MAX = 4_096;
const MESSAGE_BYTES_MAX = 32 * 1024 * 1024;
/**
 * Becomes the command once it is told to: by then it is in its control group, and so is all that the command starts. What shells put
 * into the environment by themselves is not the command's.
 */
const GATE = 'IFS= read -r stint_gate || exit 125; unset stint_gate PWD OLDPWD SHLVL; exec "$@"';
/** By these a shell tells that it could not become a command. */
const NOT_STARTED: readonly (number | null)[] = [126, 127];
/** What a program needs to be found, and to keep what it installs. */
const INHERITED = ["PATH", "HOME"];

/**
 * Starts the server. The process gets three pipes and its own environment, and nothing else that the guard has open or knows.
 *
 * @param group - for this process; it ends with the process. Absent: the process has none.
 * @throws UpstreamFailure UPSTREAM_UNREACHABLE
 */
export async function startServerProcess(
  command: ProcessCommand,
  environment: Readonly<Record<string, string>>,
  group: ControlGroup | undefined,
  events: ProcessEvents,
): Promise<ServerProcess> {
  const child = await started(command, environment, group);
  let isOver = false;
  const end = () => {
    isOver = true;
    killTree(child);
  };
  readMessages(child, events, end);
  child.once("exit", (status, signal) => {
    group?.end();
    if (!isOver) events.said(`has ended by itself, with ${signal ?? `status ${status}`}`);
    const isStarted = group === undefined || !NOT_STARTED.includes(status);
    events.ended(isStarted ? new UpstreamFailure("UPSTREAM_UNREACHABLE", "the server has ended") : notStarted());
  });
  return {
    send: (message) => void child.stdin?.write(serializeMessage(message)),
    end,
  };
}

async function started(
  { command, environment: own, directory, user }: ProcessCommand,
  environment: Readonly<Record<string, string>>,
  group: ControlGroup | undefined,
): Promise<ChildProcess> {
  const [program, ...args] = group === undefined ? command : ["/bin/sh", "-c", GATE, "stint-gate", ...command];
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
    running.reject(notStarted(cause));
  });
  try {
    await running.promise;
    if (group !== undefined) enter(group, child);
  } catch (thrown) {
    group?.end();
    throw thrown;
  }
  return child;
}

function enter(group: ControlGroup, child: ChildProcess): void {
  try {
    group.add(child.pid ?? 0);
  } catch (cause) {
    child.kill("SIGKILL");
    throw notStarted(cause);
  }
  child.stdin?.write("\n");
}

function notStarted(cause?: unknown): UpstreamFailure {
  return new UpstreamFailure("UPSTREAM_UNREACHABLE", "the server can't be started", { cause });
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

function killTree(child: ChildProcess): void {
  const { pid, exitCode, signalCode } = child;
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  const kill = (signal: NodeJS.Signals) => {
    try {
      process.kill(-pid, signal);
    } catch {
      // Nobody of the group is left.
    }
  };
  kill("SIGTERM");
  const killing = setTimeout(() => kill("SIGKILL"), KILL_MS);
  // The guard itself stays for as long, and no longer than it has to.
  child.once("exit", () => clearTimeout(killing));
}
