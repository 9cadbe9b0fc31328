import { extname } from "node:path";
import type { Worker } from "node:worker_threads";
import { BrokerError } from "../../domain/errors.ts";
import { startThread } from "../../package/start.ts";
import type { ExportReads } from "../../ports/export-reads.ts";
import type { Finding, VerificationProgress, VerificationWatch } from "../../ports/ledger.ts";
import type { HistoryReads } from "../../ports/ledger-reads.ts";
import type { LogReads } from "../../ports/log-reads.ts";
import type { TreeReads } from "../../ports/tree-reads.ts";
import { endable, type Loaded } from "./end-thread.ts";
import type { RetentionReads } from "./reads/retention-reads.ts";
import type { SnapshotMaker } from "./snapshot-maker.ts";
import { decodeError, type WireError } from "./thread-messages.ts";

/** The operator's reads and the whole verification, on a thread where they may take long. */
export type HistoryThread = HistoryReads &
  ExportReads &
  TreeReads &
  LogReads &
  RetentionReads &
  SnapshotMaker & {
    verifyAll(watch?: VerificationWatch): Promise<Finding>;
    /** Has the thread load while its first reader does something else. */
    loadAhead(): void;
    close(): Promise<void>;
  };

export type HistoryData = { readonly directory: string };
type Read = {
  readonly id: number;
  readonly method:
    | keyof HistoryReads
    | keyof ExportReads
    | keyof TreeReads
    | keyof LogReads
    | keyof SnapshotMaker
    | keyof RetentionReads
    | "verifyAll";
  readonly parameters: readonly unknown[];
};
export type ToHistory = Read | "close";
export type FromHistory =
  | Loaded
  | { readonly id: number; readonly kind: "answer"; readonly answer: unknown }
  | { readonly id: number; readonly kind: "error"; readonly error: WireError }
  | { readonly id: number; readonly kind: "progress"; readonly progress: VerificationProgress };

/** The worker's file is TypeScript in a checkout and JavaScript in the package, as this file is. */
const ENTRY = new URL(`./history-worker${extname(import.meta.url)}`, import.meta.url);

type Waiting = {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: BrokerError) => void;
  readonly progress?: VerificationWatch["progress"];
};

/** The thread starts with the first read; after the thread broke, the next read starts a new one. */
export function createHistoryThread(data: HistoryData): HistoryThread {
  const waiting = new Map<number, Waiting>();
  let worker: Worker | undefined;
  let endWorker: () => Promise<void>;
  let lastId = 0;
  let isClosed = false;

  function start(): Worker {
    const started = startThread(ENTRY, { name: "history", workerData: data });
    endWorker = endable(started);
    started.on("message", (message: FromHistory) => {
      if (message.kind === "loaded") return;
      const one = waiting.get(message.id);
      if (message.kind === "progress") return one?.progress?.(message.progress);
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

  function ask(
    method: Read["method"],
    parameters: readonly unknown[],
    progress?: VerificationWatch["progress"],
  ): Promise<never> {
    return new Promise((resolve, reject) => {
      if (isClosed) return reject(new BrokerError("NOT_SERVING", "the ledger is closed"));
      worker ??= start();
      worker.ref();
      lastId += 1;
      const watched = progress === undefined ? {} : { progress };
      waiting.set(lastId, { resolve: resolve as Waiting["resolve"], reject, ...watched });
      worker.postMessage({ id: lastId, method, parameters } satisfies ToHistory);
    });
  }

  function call(method: Read["method"]): (...parameters: readonly unknown[]) => Promise<never> {
    return (...parameters) => ask(method, parameters);
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
    spans: call("spans"),
    span: call("span"),
    stepTree: call("stepTree"),
    preview: call("preview"),
    takenBack: call("takenBack"),
    closedBy: call("closedBy"),
    exportedIssuances: call("exportedIssuances"),
    exportedDecisions: call("exportedDecisions"),
    exportedRecords: call("exportedRecords"),
    exportedEvents: call("exportedEvents"),
    sequenceOf: call("sequenceOf"),
    inclusion: call("inclusion"),
    consistency: call("consistency"),
    tile: call("tile"),
    logPage: call("logPage"),
    snapshotChunks: call("snapshotChunks"),
    beginSnapshot: call("beginSnapshot"),
    nextChunks: call("nextChunks"),
    due: call("due"),
    standing: call("standing"),
    async verifyAll({ progress, signal } = { progress: () => undefined }) {
      // Whoever went away while another verification was under way.
      if (signal?.aborted === true) throw new BrokerError("LEDGER_UNAVAILABLE", "the verification was given up");
      // It stands in the way of nobody but itself: whoever goes away in the middle of it ends the thread.
      const interrupt = (): void => void endWorker();
      signal?.addEventListener("abort", interrupt, { once: true });
      try {
        return await ask("verifyAll", [], progress);
      } finally {
        signal?.removeEventListener("abort", interrupt);
      }
    },
    loadAhead() {
      worker ??= start();
      worker.unref();
    },
    async close() {
      isClosed = true;
      const ending = worker;
      if (ending === undefined) return;
      ending.ref();
      const ended = new Promise<void>((resolve) => void ending.once("exit", () => resolve()));
      // A thread without reads ends as soon as its database is closed; a thread that still reads is not waited for.
      if (waiting.size === 0) ending.postMessage("close" satisfies ToHistory);
      else await endWorker();
      await ended;
    },
  };
}
