import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** What a told workload says by itself: `x509` with its SVIDs, `x509-error` with a code, and the like. */
export type WorkloadEvent = { readonly event: string; readonly [member: string]: unknown };

/** An SVID as a foreign client library made it out. */
export type ForeignSvid = {
  readonly id: string;
  readonly hint: string;
  readonly serial?: string;
  readonly token?: string;
  readonly claims?: Readonly<Record<string, unknown>>;
};

/** A program in another language that uses a SPIFFE library as it is told, JSON line by JSON line. */
export type ToldWorkload = {
  readonly pid: number;
  /** Rejects with `{ code }`, the gRPC code by its name in that language, when the library does. */
  tell(command: string, more?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** The next event of this name that was not asked for yet. */
  event(name: string): Promise<WorkloadEvent>;
  [Symbol.asyncDispose](): Promise<void>;
};

type Line = { id?: number; result?: unknown; error?: string; code?: string; event?: string };

class Refused extends Error {
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.code = code;
  }
}

/** Starts a program that finds the broker as the SPIFFE standard says, by its environment. */
export async function startTold(command: readonly string[], socket: string): Promise<ToldWorkload> {
  const [program = "", ...args] = command;
  const environment = { ...process.env, SPIFFE_ENDPOINT_SOCKET: `unix://${socket}` };
  const child: ChildProcessWithoutNullStreams = spawn(program, args, { env: environment });
  const exited = once(child, "exit");
  let complaints = "";
  child.stderr.on("data", (chunk: Buffer) => {
    complaints += chunk.toString();
  });
  const answers = new Map<number, (line: Line) => void>();
  const events: WorkloadEvent[] = [];
  let wake = Promise.withResolvers<void>();
  let isGone = false;
  createInterface({ input: child.stdout })
    .on("line", (text) => {
      const line = JSON.parse(text) as Line;
      if (line.event !== undefined) events.push(line as WorkloadEvent);
      else if (line.id !== undefined) answers.get(line.id)?.(line);
      wake.resolve();
    })
    .on("close", () => {
      isGone = true;
      for (const answer of answers.values()) answer({ error: `the program is gone: ${complaints}` });
      wake.resolve();
    });
  let orders = 0;

  async function event(name: string): Promise<WorkloadEvent> {
    for (;;) {
      const index = events.findIndex((one) => one.event === name);
      const [found] = index === -1 ? [] : events.splice(index, 1);
      if (found !== undefined) return found;
      if (isGone) throw new Error(`the program is gone: ${complaints}`);
      await wake.promise;
      wake = Promise.withResolvers();
    }
  }

  await event("ready");
  return {
    pid: child.pid ?? -1,
    tell(order, more = {}) {
      orders += 1;
      const id = orders;
      return new Promise((resolve, reject) => {
        answers.set(id, ({ result, error, code }) => {
          answers.delete(id);
          if (error === undefined) resolve(result);
          else reject(new Refused(error, code ?? ""));
        });
        child.stdin.write(`${JSON.stringify({ id, command: order, ...more })}\n`);
      });
    },
    event,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
