import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { JsonValue } from "@bufbuild/protobuf";

const CALLER = fileURLToPath(new URL("caller.ts", import.meta.url));

const INHERITOR = fileURLToPath(new URL("inheriting-caller.ts", import.meta.url));

/** Starts a command in a PID namespace of its own, where that is allowed. */
export const OWN_PIDS = ["unshare", "--pid", "--fork", "--kill-child"];

/** What a call was refused with. */
class Refused extends Error {
  readonly code: string;
  readonly reason: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(refusal: { code: string; reason?: string; metadata?: Record<string, string>; message: string }) {
    super(`${refusal.reason ?? refusal.code}: ${refusal.message}`);
    this.code = refusal.code;
    this.reason = refusal.reason;
    this.metadata = refusal.metadata ?? {};
  }
}

/** JSON as a response prints: proto3 JSON names. */
// biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely, and every look is an expectation
export type Answer = any;

export type Caller = {
  readonly pid: number;
  call(
    service: "Steps" | "Credentials" | "Revocations" | "Authorizations" | "SpiffeWorkloadAPI" | "Approvals" | "History",
    method: string,
    request: JsonValue,
    metadata?: Record<string, string>,
  ): Promise<Answer>;
  /** Messages of a server stream as they come; ends with the stream or the process. */
  stream(service: "Steps" | "SpiffeWorkloadAPI", method: string, request: JsonValue): AsyncIterableIterator<Answer>;
  /**
   * Lets it start a command.
   *
   * @param connected - hands the command a connection to the broker, which is open as descriptor 3.
   * @returns the pid of what it started
   */
  start(command: readonly string[], connected?: boolean): Promise<number>;
  signal(signal: NodeJS.Signals): void;
  [Symbol.asyncDispose](): Promise<void>;
};

type Line = {
  id?: number;
  ready?: number;
  ok?: Answer;
  message?: Answer;
  end?: true;
  error?: ConstructorParameters<typeof Refused>[0];
};

/** Starts a process that calls the broker, as another user where the test runs as root. */
export async function callerAs(
  user: {
    readonly uid?: number;
    readonly gid?: number;
    readonly groups?: readonly number[];
    /** In a PID namespace of its own, where it is the first process. */
    readonly ownPids?: boolean;
    /** What starts it, e.g. a shell. */
    readonly before?: readonly string[];
  },
  socket: string,
): Promise<Caller> {
  const { uid, gid = uid, groups = [] } = user;
  const change =
    uid === undefined
      ? []
      : [
          "setpriv",
          `--reuid=${uid}`,
          `--regid=${gid}`,
          groups.length === 0 ? "--clear-groups" : `--groups=${groups.join(",")}`,
        ];
  const apart = user.ownPids === true ? OWN_PIDS : [];
  const [command = "", ...rest] = [...(user.before ?? []), ...apart, ...change, process.execPath, CALLER, socket];
  const child = spawn(command, rest, { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const { calls } = await speaking(child.stdout, child.stdin, exited);
  return {
    ...calls,
    pid: child.pid ?? -1,
    signal: (signal) => void child.kill(signal),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/**
 * Lets a caller start another, which speaks for itself.
 *
 * @param before - what the first starts, which starts the other: e.g. a shell.
 */
export async function callerBelow(parent: Caller, before: readonly string[], socket: string): Promise<Caller> {
  return startedBelow((path) => parent.start([...before, process.execPath, CALLER, socket, path]));
}

/** Lets a caller start another that speaks over the first one's connection, and can do nothing but open steps. */
export async function inheritorOf(parent: Caller): Promise<Caller> {
  return startedBelow((path) => parent.start([process.execPath, INHERITOR, path], true));
}

/** @param start - starts what then speaks over a socket at this path. */
async function startedBelow(start: (path: string) => Promise<unknown>): Promise<Caller> {
  const directory = mkdtempSync(join(tmpdir(), "stint-caller-"));
  const path = join(directory, "caller.sock");
  const server = createServer().listen(path);
  const connected = once(server, "connection") as Promise<[Socket]>;
  await start(path);
  const [connection] = await connected;
  server.close();
  rmSync(directory, { recursive: true });
  const ended = once(connection, "close");
  // A process that is killed ends its connection by a reset.
  connection.on("error", () => undefined);
  const { calls, pid } = await speaking(connection, connection, ended);
  return {
    ...calls,
    pid,
    signal: (signal) => void process.kill(pid, signal),
    async [Symbol.asyncDispose]() {
      connection.end();
      await ended;
    },
  };
}

/** What is asked of a caller, once it is ready. */
async function speaking(
  output: Readable,
  input: Writable,
  ended: Promise<unknown>,
): Promise<{ readonly pid: number; readonly calls: Pick<Caller, "call" | "stream" | "start"> }> {
  const waiting = new Map<number, (line: Line) => void>();
  const ready = Promise.withResolvers<number>();
  void ended.then(() => {
    ready.reject(new Error("the caller did not start"));
    for (const take of waiting.values()) take({ error: { code: "EXITED", message: "the caller's process is gone" } });
  });
  createInterface({ input: output }).on("line", (text) => {
    const line = JSON.parse(text) as Line;
    if (line.ready !== undefined) ready.resolve(line.ready);
    if (line.id !== undefined) waiting.get(line.id)?.(line);
  });
  const pid = await ready.promise;
  let next = 0;
  const send = (call: object) => input.write(`${JSON.stringify(call)}\n`);

  function answered(order: object): Promise<Answer> {
    next += 1;
    const id = next;
    return new Promise((resolve, reject) => {
      waiting.set(id, (line) => {
        waiting.delete(id);
        if (line.error === undefined) resolve(line.ok);
        else reject(new Refused(line.error));
      });
      send({ id, ...order });
    });
  }

  const calls: Pick<Caller, "call" | "stream" | "start"> = {
    call: (service, method, request, metadata) =>
      answered({ service, method, request, ...(metadata === undefined ? {} : { metadata }) }),
    start: async (command, connected = false) => (await answered({ start: command, connected })).pid,
    async *stream(service, method, request) {
      next += 1;
      const id = next;
      const lines: Line[] = [];
      let wake = Promise.withResolvers<void>();
      waiting.set(id, (line) => {
        lines.push(line);
        wake.resolve();
      });
      send({ id, service, method, request });
      for (;;) {
        while (lines.length === 0) {
          await wake.promise;
          wake = Promise.withResolvers();
        }
        const line = lines.shift();
        if (line?.end === true) return;
        if (line?.error !== undefined) throw new Refused(line.error);
        if (line?.message !== undefined) yield line.message;
      }
    },
  };
  return { pid, calls };
}
