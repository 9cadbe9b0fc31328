import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Journal, readJournals } from "./daemon-journal.ts";

/** JWT-SVIDs that a client takes at once. */
export const BATCH = 12;
/** What a client may have been issued without having received it, each time it is cut off: its two calls in flight. */
export const IN_FLIGHT_MAX = BATCH + 1;

const CHILD = fileURLToPath(new URL("./daemon-load-child.ts", import.meta.url));

export type Load = {
  /** What all clients have received so far. */
  received(): Journal;
  /** Has one of them kill a process as soon as its next answer has come. */
  killAtNextAnswer(pid: number): void;
  /** Lets each finish the step it is at, and waits for its end. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Client processes that keep a daemon busy, across its restarts too. */
export function startLoad(
  daemon: { readonly directory: string; readonly workloadSocket: string },
  count: number,
): Load {
  const clients = Array.from({ length: count }, (_, index) => {
    const journal = join(daemon.directory, `client-${index}.journal`);
    const child = spawn(process.execPath, [CHILD, daemon.workloadSocket, journal], {
      stdio: ["pipe", "inherit", "inherit"],
    });
    return { journal, child, exited: once(child, "exit") as Promise<[number | null]> };
  });
  const journals = clients.map(({ journal }) => journal);
  return {
    received: () => readJournals(journals.filter((path) => existsSync(path))),
    killAtNextAnswer: (pid) => void clients[0]?.child.stdin.write(`${pid}\n`),
    async stop() {
      for (const { child } of clients) child.stdin.end();
      const statuses = await Promise.all(clients.map(async ({ exited }) => (await exited)[0]));
      if (statuses.some((status) => status !== 0)) throw new Error(`clients ended with ${statuses.join(", ")}`);
    },
    async [Symbol.asyncDispose]() {
      for (const { child } of clients) child.kill("SIGKILL");
      await Promise.all(clients.map(({ exited }) => exited));
    },
  };
}
