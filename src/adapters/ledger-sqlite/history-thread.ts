import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { BrokerError } from "../../domain/errors.ts";
import type { ExportReads } from "../../ports/export-reads.ts";
import type { Finding } from "../../ports/ledger.ts";
import type { HistoryReads } from "../../ports/ledger-reads.ts";
import { decodeError, type WireError } from "./thread-messages.ts";

/** The operator's reads and the whole verification, on a thread where they may take long. */
export type HistoryThread = HistoryReads &
  ExportReads & {
    verifyAll(): Promise<Finding>;
    close(): Promise<void>;
  };

export type HistoryData = { readonly directory: string };
type Read = {
  readonly id: number;
  readonly method: keyof HistoryReads | keyof ExportReads | "verifyAll";
  readonly parameters: readonly unknown[];
};
export type ToHistory = Read | "close";
export type FromHistory =
  | { readonly id: number; readonly kind: "answer"; readonly answer: unknown }
  | { readonly id: number; readonly kind: "error"; readonly error: WireError };

/** The worker's file is TypeScript in a checkout and JavaScript in the package, as this file is. */
const ENTRY = new URL(`./history-worker${extname(import.meta.url)}`, import.meta.url);

type Waiting = { readonly resolve: (answer: unknown) => void; readonly reject: (error: BrokerError) => void };

/** The thread starts with the first read; after the thread broke, the next read starts a new one. */
export function createHistoryThread(data: HistoryData): HistoryThread {
  const waiting = new Map<number, Waiting>();
  let worker: Worker | undefined;
  let lastId = 0;
  let isClosed = false;

  function start(): Worker {
    const started = new Worker(ENTRY, { name: "history", workerData: data });
    started.on("message", (message: FromHistory) => {
      const one = waiting.get(message.id);
      waiting.delete(message.id);
      // Only a read that somebody waits for keeps the process alive.
      if (waiting.size === 0) started.unref();
      if (message.kind === "answer") one?.resolve(message.answer);
      else one?.reject(decodeError(message.error));
    });
    started.on("error", (cause) => giveUp(started, cause));
    started.on("exit", () => giveUp(started, undefined));
    return started;
  }

  function giveUp(broken: Worker, cause: unknown): void {
    if (worker !== broken) return;
    worker = undefined;
    for (const { reject } of waiting.values()) {
      reject(new BrokerError("LEDGER_UNAVAILABLE", "the ledger's history can't be read", { cause }));
    }
    waiting.clear();
  }

  function call(method: Read["method"]): (...parameters: readonly unknown[]) => Promise<never> {
    return (...parameters) =>
      new Promise((resolve, reject) => {
        if (isClosed) return reject(new BrokerError("NOT_SERVING", "the ledger is closed"));
        worker ??= start();
        worker.ref();
        lastId += 1;
        waiting.set(lastId, { resolve: resolve as Waiting["resolve"], reject });
        worker.postMessage({ id: lastId, method, parameters } satisfies ToHistory);
      });
  }

  return {
    issuances: call("issuances"),
    steps: call("steps"),
    decisions: call("decisions"),
    usage: call("usage"),
    evaluated: call("evaluated"),
    callApprovals: call("callApprovals"),
    exchanges: call("exchanges"),
    events: call("events"),
    principals: call("principals"),
    tools: call("tools"),
    count: call("count"),
    span: call("span"),
    stepTree: call("stepTree"),
    preview: call("preview"),
    takenBack: call("takenBack"),
    exportedIssuances: call("exportedIssuances"),
    exportedDecisions: call("exportedDecisions"),
    exportedEvents: call("exportedEvents"),
    verifyAll: call("verifyAll"),
    async close() {
      isClosed = true;
      const ending = worker;
      if (ending === undefined) return;
      ending.ref();
      const ended = new Promise<void>((resolve) => void ending.once("exit", () => resolve()));
      // A thread without reads ends as soon as its database is closed; a thread that still reads is not waited for.
      if (waiting.size === 0) ending.postMessage("close" satisfies ToHistory);
      else await ending.terminate();
      await ended;
    },
  };
}
