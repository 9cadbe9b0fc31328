import { extname } from "node:path";
import type { Transferable, Worker } from "node:worker_threads";
import { BrokerError } from "../../domain/errors.ts";
import type { ReplicaReport } from "../../domain/replica-report.ts";
import { startThread } from "../../package/start.ts";
import type { Committed } from "../../ports/following.ts";
import type { Head, LedgerDisk, LedgerHealth } from "../../ports/ledger.ts";
import type { LedgerAct } from "../../ports/ledger-acts.ts";
import type { Replica } from "../../ports/replicas.ts";
import { unhealthy } from "./durable-store.ts";
import { endable } from "./end-thread.ts";
import type { UpgradeProgress } from "./migrate.ts";
import type { ChunkOrder } from "./snapshot.ts";
import type { Outcome } from "./store.ts";
import {
  decodeError,
  decodeFollowed,
  decodeHead,
  decodeReply,
  encodeActs,
  type FromWriter,
  type GroupReply,
  type ToWriter,
  type WriterData,
} from "./thread-messages.ts";

/** The writing thread, seen from the event loop. */
export type WriterThread = {
  head(): Head;
  health(): LedgerHealth;
  disk(): LedgerDisk;
  /** One group at a time. Rejects with BrokerError LEDGER_UNAVAILABLE when the thread ended without an answer. */
  commit(acts: readonly LedgerAct[]): Promise<readonly Outcome[]>;
  /**
   * One order at a time, between groups.
   *
   * @returns how many chunks were written or forgotten.
   * @throws BrokerError LEDGER_UNAVAILABLE when they could not be
   */
  keepChunks(order: ChunkOrder): Promise<number>;
  /** Of a shared log. */
  readonly cursorKey: Uint8Array | undefined;
  /** @throws BrokerError LEDGER_UNAVAILABLE when it can't be known what others have recorded */
  confirm(): Promise<void>;
  /** Of a shared log: what the others are told of this broker. */
  report(report: ReplicaReport): void;
  close(): Promise<void>;
};

const STANDS_STILL = unhealthy("the ledger's disk stands still: whatever is to be recorded waits for it");
/** Ten probes. The largest act there is takes less on a disk that works. */
const SILENT_TICKS_MAX = 5;
const TICK_MS = 1_000;

/** The worker's file is TypeScript in a checkout and JavaScript in the package, as this file is. */
const ENTRY = new URL(`./writer-worker${extname(import.meta.url)}`, import.meta.url);

/** What the writing thread tells the event loop. */
export type WriterWatch = {
  /** Called with every new head, before the acts of its group are answered. `events` is absent for a large group. */
  readonly committed: (head: Head, events: readonly Committed[] | undefined) => void;
  readonly upgrading: (progress: UpgradeProgress) => void;
  /** Who shares the log, where it is shared, each time that it was looked. */
  readonly replicas: (replicas: readonly Replica[]) => void;
};

/** A writing thread that loads its program and has no ledger yet. It keeps no process alive. */
export type WriterAhead = {
  /** The thread, for the first who asks while it lives; `undefined` afterwards. */
  take(): Worker | undefined;
  /** Ends a thread that nobody has taken. */
  end(): Promise<void>;
};

/** Has a writing thread load while its directory is not known yet. */
export function loadWriterAhead(): WriterAhead {
  let worker: Worker | undefined = newWriter();
  const end = endable(worker);
  const gone = (): void => {
    worker = undefined;
  };
  // What it died of shows again in the thread that is started in its place.
  worker.once("error", gone);
  worker.once("exit", gone);
  worker.unref();
  return {
    take() {
      const taken = worker;
      worker = undefined;
      taken?.off("error", gone).off("exit", gone).ref();
      return taken;
    },
    async end() {
      if (worker !== undefined) await end();
    },
  };
}

function newWriter(): Worker {
  return startThread(ENTRY, { name: "ledger" });
}

/**
 * Opens a ledger in a writing thread, so that the event loop never waits for a disk.
 *
 * @param ahead - the thread, if it was started before; absent: a new one.
 * @throws BrokerError saying why the ledger can't be opened
 */
export async function startWriter(data: WriterData, watch: WriterWatch, ahead?: WriterAhead): Promise<WriterThread> {
  const signs = data.signing !== undefined;
  const worker = ahead?.take() ?? newWriter();
  const post = (message: ToWriter, transferList: readonly Transferable[] = []): void =>
    worker.postMessage(message, transferList);
  let pending:
    | { readonly resolve: (reply: GroupReply) => void; readonly reject: (error: BrokerError) => void }
    | undefined;
  let chunks:
    | { readonly resolve: (written: number) => void; readonly reject: (error: BrokerError) => void }
    | undefined;
  /** Answers come in the order of the questions. */
  const confirming: ((error?: BrokerError) => void)[] = [];
  let closed: (() => void) | undefined;
  let ended: BrokerError | undefined;
  /**
   * Ticks since the thread was heard of. Counted by a timer and not by a clock: when the event loop itself stood still,
   * it has not heard what the thread said meanwhile.
   */
  let silentTicks = 0;

  type Opened = { head: Head; health: LedgerHealth; disk: LedgerDisk; cursorKey?: Uint8Array };
  const opened = await new Promise<Opened>((resolve, reject) => {
    worker.once("error", reject);
    worker.once("exit", () => reject(new BrokerError("LEDGER_UNAVAILABLE", "the ledger's writer ended")));
    worker.on("message", (message: FromWriter) => {
      if (message.kind === "opened") {
        watch.replicas(message.replicas ?? []);
        resolve({ ...message, head: decodeHead(message.head) });
      } else if (message.kind === "refused") reject(decodeError(message.error));
      else if (message.kind === "upgrading") watch.upgrading(message.progress);
    });
    post({ kind: "open", data }, data.signing === undefined ? [] : [data.signing.port]);
  });
  const { cursorKey } = opened;
  let { head, health, disk } = opened;

  worker.removeAllListeners("message");
  worker.removeAllListeners("error");
  worker.removeAllListeners("exit");
  worker.on("message", (message: FromWriter) => {
    silentTicks = 0;
    if (message.kind === "group") pending?.resolve(decodeReply(message.reply));
    else if (message.kind === "chunks") {
      if (typeof message.written === "number") chunks?.resolve(message.written);
      else chunks?.reject(decodeError(message.written));
    } else if (message.kind === "followed") {
      const followed = decodeFollowed(message.followed);
      head = followed.head;
      watch.committed(head, followed.events);
    } else if (message.kind === "confirmed") {
      confirming.shift()?.(message.error === undefined ? undefined : decodeError(message.error));
    } else if (message.kind === "probed") {
      ({ health, disk } = message);
    } else if (message.kind === "looked") watch.replicas(message.replicas);
  });
  const ticking = setInterval(() => {
    silentTicks += 1;
  }, TICK_MS).unref();
  worker.on("error", (error) => end(error));
  worker.on("exit", () => end(undefined));

  function end(cause: unknown): void {
    clearInterval(ticking);
    health = unhealthy("the ledger's writer ended");
    ended ??= new BrokerError("LEDGER_UNAVAILABLE", "the ledger's writer ended", { cause });
    pending?.reject(ended);
    chunks?.reject(ended);
    for (const settle of confirming.splice(0)) settle(ended);
    closed?.();
  }

  return {
    head: () => head,
    cursorKey,
    health: () => (ended === undefined && silentTicks > SILENT_TICKS_MAX ? STANDS_STILL : health),
    disk: () => disk,
    async commit(acts) {
      const reply = await new Promise<GroupReply>((resolve, reject) => {
        if (ended !== undefined) return reject(ended);
        pending = { resolve, reject };
        post({ kind: "group", acts: encodeActs(acts, signs) });
      });
      pending = undefined;
      health = reply.health;
      if (reply.head.sequence !== head.sequence || reply.head.epoch !== head.epoch) {
        head = reply.head;
        watch.committed(head, reply.events);
      }
      return reply.outcomes;
    },
    keepChunks: (order) =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(ended);
        chunks = { resolve, reject };
        post({ kind: "chunks", order });
      }),
    confirm: () =>
      new Promise<void>((resolve, reject) => {
        if (ended !== undefined) return reject(ended);
        confirming.push((error) => (error === undefined ? resolve() : reject(error)));
        post({ kind: "confirm" });
      }),
    report: (report) => post({ kind: "report", report }),
    close: () =>
      new Promise<void>((resolve) => {
        if (ended !== undefined) return resolve();
        // The thread ends by itself once its database is closed.
        closed = resolve;
        post({ kind: "close" });
      }),
  };
}
