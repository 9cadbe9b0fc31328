import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { NatsRevocation, ToolUse, VerifierOptions, VerifierStatus } from "../../src/sdk/verifier/index.ts";

const VERIFIER = fileURLToPath(new URL("verifier-child.ts", import.meta.url));

type Answer = { readonly id?: number; readonly code: string; readonly status: VerifierStatus };

/** A verifier that runs in a process of its own, as an MCP server would. */
export type VerifierProcess = {
  readonly pid: number;
  /** The code of the refusal, or `accepted`. */
  judge(token: string, use?: ToolUse): Promise<string>;
  status(): Promise<VerifierStatus>;
  /** Resolves when it says that this step, whose token it had accepted, has ended. */
  ended(stepId: string): Promise<{ readonly code: string; readonly metadata: Readonly<Record<string, string>> }>;
  signal(signal: "SIGSTOP" | "SIGCONT"): void;
  [Symbol.asyncDispose](): Promise<void>;
};

type OverNats = Omit<VerifierOptions, "revocation"> & { readonly revocation: Omit<NatsRevocation, "connection"> };

/**
 * Starts one, and waits until it has its deny-list and keys.
 *
 * @param nats - server by which it hears where that is over NATS, `host:port`.
 */
export async function startVerifier(options: VerifierOptions | OverNats, nats?: string): Promise<VerifierProcess> {
  const given = JSON.stringify({ development: true, ...options });
  const child = spawn(process.execPath, [VERIFIER, given, ...(nats === undefined ? [] : [nats])], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const answers = new Map<number, (answer: Answer) => void>();
  const ends = new Map<string, PromiseWithResolvers<{ code: string; metadata: Record<string, string> }>>();
  const endOf = (stepId: string) => {
    const end = ends.get(stepId) ?? Promise.withResolvers<{ code: string; metadata: Record<string, string> }>();
    ends.set(stepId, end);
    return end;
  };
  const ready = Promise.withResolvers<void>();
  createInterface({ input: child.stdout }).on("line", (text) => {
    const line = JSON.parse(text);
    if (line.ready === true) ready.resolve();
    if (line.ended !== undefined) endOf(line.ended).resolve(line);
    if (line.id !== undefined) answers.get(line.id)?.(line);
  });
  void exited.then(() => ready.reject(new Error("the verifier did not start")));
  await ready.promise;
  let next = 0;

  function ask(question: object): Promise<Answer> {
    next += 1;
    const id = next;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    answers.set(id, resolve);
    child.stdin.write(`${JSON.stringify({ id, ...question })}\n`);
    return promise;
  }

  return {
    pid: child.pid ?? -1,
    judge: async (token, use) => (await ask({ token, use })).code,
    status: async () => (await ask({})).status,
    ended: (stepId) => endOf(stepId).promise,
    signal: (signal) => void child.kill(signal),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
