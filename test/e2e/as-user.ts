import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { JsonValue } from "@bufbuild/protobuf";

const CALLER = fileURLToPath(new URL("caller.ts", import.meta.url));

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
    service: "Steps" | "Credentials" | "Revocations" | "SpiffeWorkloadAPI",
    method: string,
    request: JsonValue,
    metadata?: Record<string, string>,
  ): Promise<Answer>;
  /** Messages of a server stream as they come; ends with the stream or the process. */
  stream(service: "Steps" | "SpiffeWorkloadAPI", method: string, request: JsonValue): AsyncIterableIterator<Answer>;
  signal(signal: NodeJS.Signals): void;
  [Symbol.asyncDispose](): Promise<void>;
};

type Line = {
  id?: number;
  ready?: true;
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
  const waiting = new Map<number, (line: Line) => void>();
  const ready = Promise.withResolvers<void>();
  const exited = once(child, "exit").then(() => {
    ready.reject(new Error("the caller did not start"));
    for (const take of waiting.values()) take({ error: { code: "EXITED", message: "the caller's process is gone" } });
  });
  createInterface({ input: child.stdout }).on("line", (text) => {
    const line = JSON.parse(text) as Line;
    if (line.ready === true) ready.resolve();
    if (line.id !== undefined) waiting.get(line.id)?.(line);
  });
  await ready.promise;
  let next = 0;
  const send = (call: object) => child.stdin.write(`${JSON.stringify(call)}\n`);

  return {
    pid: child.pid ?? -1,
    call(service, method, request, metadata) {
      next += 1;
      const id = next;
      return new Promise((resolve, reject) => {
        waiting.set(id, (line) => {
          waiting.delete(id);
          if (line.error === undefined) resolve(line.ok);
          else reject(new Refused(line.error));
        });
        send({ id, service, method, request, ...(metadata === undefined ? {} : { metadata }) });
      });
    },
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
    signal: (signal) => void child.kill(signal),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
