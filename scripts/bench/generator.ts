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
  Loaded,
  RejudgedTwice,
  Streamed,
  Verified,
} from "./measurements.ts";

/** A script of the benchmark, in a process of its own so that its CPU is told apart from the broker's. Idle until asked. */
export type GeneratorProcess<Script extends keyof Asked> = AsyncDisposable & {
  measure(asked: Asked[Script]): Promise<Measured[Script]>;
};

type Measured = {
  readonly load: Loaded;
  readonly closing: Closings;
  readonly streams: Streamed;
  readonly "bulk-close": BulkClosed;
  readonly decisions: Decided;
  readonly rejudge: RejudgedTwice;
  readonly verifying: Verified;
};

let runs = 0;

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
  runs += 1;
  const flags = {
    ...(broker === undefined
      ? {}
      : { socket: broker.socket, operator: broker.operatorSocket, pid: String(broker.pid()) }),
    // Nothing of one script is another's: an agent's steps are told apart by their run.
    run: `bench-${runs}`,
    ...own,
  };
  const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
  const path = fileURLToPath(new URL(`${script}.ts`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  // Once it has ended, the next line that is waited for says so.
  child.stdin.on("error", () => undefined);
  const exited = once(child, "exit") as Promise<[number | null]>;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`${script} ended before it was asked to`);
    return value;
  };
  await answer();
  return {
    async measure(asked) {
      child.stdin.write(`${JSON.stringify(asked)}\n`);
      return JSON.parse(await answer()) as Measured[Script];
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      const [status] = await exited;
      if (status !== 0) throw new Error(`${script} ended with ${status}`);
    },
  };
}
