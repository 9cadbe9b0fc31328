import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { BrokerProcess } from "./broker-process.ts";
import type {
  Asked,
  BulkClosed,
  Closings,
  Decided,
  Joined,
  Loaded,
  RejudgedTwice,
  Streamed,
  Told,
  TreesClosed,
  Verified,
} from "./measurements.ts";

/** A script of the benchmark, in a process of its own so that its CPU is told apart from the broker's. Idle until asked. */
export type GeneratorProcess<Script extends keyof Asked> = AsyncDisposable & {
  measure(asked: Asked[Script]): Promise<Measured[Script]>;
};

/** One that also measures for as long as something else takes. */
export type PatientGenerator<Script extends keyof Asked> = GeneratorProcess<Script> & {
  /** What is measured begins before `work` does, and ends as it has ended. */
  measureDuring(asked: Omit<Asked[Script], "seconds">, work: () => Promise<void>): Promise<Measured[Script]>;
};

type Measured = {
  readonly load: Loaded;
  readonly closing: Closings;
  readonly watchers: Joined | Told;
  readonly streams: Streamed;
  readonly "bulk-close": BulkClosed;
  readonly "tree-close": TreesClosed;
  readonly decisions: Decided;
  readonly rejudge: RejudgedTwice;
  readonly verifying: Verified;
};

let runs = 0;

/** What a generator is told about the broker it loads. Nothing of one generator is another's: an agent's steps are told apart by their run. */
export function flagsOf(broker: BrokerProcess | undefined): Readonly<Record<string, string>> {
  runs += 1;
  const run = `bench-${runs}`;
  if (broker === undefined) return { run };
  return { run, socket: broker.socket, operator: broker.operatorSocket, pid: String(broker.pid()) };
}

/**
 * Starts `<script>.ts` and waits until it has prepared what it needs of the broker.
 *
 * @param broker - absent for a script that asks none.
 */
export async function startGenerator<Script extends keyof Asked>(
  script: Script,
  broker?: BrokerProcess,
  own: Readonly<Record<string, string>> = {},
): Promise<GeneratorProcess<Script>> {
  const path = fileURLToPath(new URL(`${script}.ts`, import.meta.url));
  return await startProgram(script, [process.execPath, path], { ...flagsOf(broker), ...own });
}

/** Starts a program that measures a line at a time, and waits until it is ready to. */
export async function startProgram<Script extends keyof Asked>(
  name: string,
  [program, ...before]: readonly [string, ...string[]],
  flags: Readonly<Record<string, string>>,
): Promise<PatientGenerator<Script>> {
  const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
  const child = spawn(program, [...before, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  // Once it has ended, the next line that is waited for says so.
  child.stdin.on("error", () => undefined);
  const exited = once(child, "exit") as Promise<[number | null]>;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`${name} ended before it was asked to`);
    return value;
  };
  await answer();
  return {
    async measure(asked) {
      child.stdin.write(`${JSON.stringify(asked)}\n`);
      return JSON.parse(await answer()) as Measured[Script];
    },
    async measureDuring(asked, work) {
      child.stdin.write(`${JSON.stringify(asked)}\n`);
      // That it has begun.
      await answer();
      await work();
      child.stdin.write("\n");
      return JSON.parse(await answer()) as Measured[Script];
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      const [status] = await exited;
      if (status !== 0) throw new Error(`${name} ended with ${status}`);
    },
  };
}
