import { extname } from "node:path";
import type { Worker } from "node:worker_threads";
import { startThread } from "../../package/start.ts";
import type { DigestAnswer } from "./digest-worker.ts";

/** SHA-256 of the executables of live processes, made off the event loop. */
export type ExecutableDigests = {
  /**
   * Digest of the file that the process with this pid executes. Trust it only if the process proves alive afterwards.
   *
   * @param uid - the user for whom the work is done: each uid has its turn, so that no uid keeps the others waiting. Those
   *   who wait for the same process have one turn together, so that a process that asks a thousand times has no more.
   * @returns never rejects; failure `ETIMEDOUT` when the file could not be read in time, `EFBIG` when it is too large.
   */
  of(pid: number, uid: number): Promise<DigestAnswer>;
  close(): void;
};

/** The largest file allowed takes less than this from a slow disk. */
const ANSWER_TIMEOUT_MS = 10_000;
/** Threads stuck in a file system that never answers; each thread is lost until the file system answers. */
const STUCK_WORKERS_MAX = 4;

type Job = { readonly pid: number; readonly answer: (answer: DigestAnswer) => void };
/** Who waits, by pid; the first pid is next. */
type Queue = Map<number, ((answer: DigestAnswer) => void)[]>;

export function createExecutableDigests(options: { readonly timeoutMs?: number } = {}): ExecutableDigests {
  const timeoutMs = options.timeoutMs ?? ANSWER_TIMEOUT_MS;
  /** By uid; the first uid is next. */
  const waiting = new Map<number, Queue>();
  let worker: Worker | undefined;
  let settle: ((answer: DigestAnswer) => void) | undefined;
  let stuckWorkers = 0;
  let isClosed = false;

  function startNext(): void {
    if (settle !== undefined) return;
    for (let job = takeNext(waiting); job !== undefined; job = takeNext(waiting)) {
      if (!isClosed && stuckWorkers < STUCK_WORKERS_MAX) {
        run(job);
        return;
      }
      job.answer({ kind: "failure", errno: isClosed ? "ECANCELED" : "EAGAIN" });
    }
  }

  function run(job: Job): void {
    worker ??= startWorker();
    const current = worker;
    const timer = setTimeout(() => {
      stuckWorkers += 1;
      current.once("exit", () => {
        stuckWorkers -= 1;
      });
      abandon("ETIMEDOUT");
    }, timeoutMs);
    settle = (answer) => {
      clearTimeout(timer);
      current.off("message", onAnswer);
      current.unref();
      settle = undefined;
      job.answer(answer);
      startNext();
    };
    const onAnswer = (answer: DigestAnswer): void => settle?.(answer);
    current.once("message", onAnswer);
    // An answer that somebody waits for keeps the process up; an idle thread does not.
    current.ref();
    current.postMessage(job.pid);
  }

  function startWorker(): Worker {
    // The worker's file is TypeScript in a checkout and JavaScript in the package, as this file is.
    const entry = new URL(`./digest-worker${extname(import.meta.url)}`, import.meta.url);
    const started = startThread(entry, { name: "digests" });
    // Without a listener an error would end the process. "exit" follows, and its listener does what is needed.
    started.on("error", () => undefined);
    started.on("exit", () => {
      if (worker === started) abandon("EIO");
    });
    return started;
  }

  function abandon(errno: string): void {
    const abandoned = worker;
    worker = undefined;
    void abandoned?.terminate();
    settle?.({ kind: "failure", errno });
  }

  return {
    of: (pid, uid) =>
      new Promise((resolve) => {
        const queue: Queue = waiting.get(uid) ?? new Map();
        waiting.set(uid, queue);
        // A look that has not begun is good for all who ask by then: each has the process prove alive afterwards.
        const answers = queue.get(pid) ?? [];
        queue.set(pid, answers);
        answers.push(resolve);
        startNext();
      }),
    close() {
      isClosed = true;
      abandon("ECANCELED");
      startNext();
    },
  };
}

function takeNext(waiting: Map<number, Queue>): Job | undefined {
  for (const [uid, queue] of waiting) {
    waiting.delete(uid);
    for (const [pid, answers] of queue) {
      queue.delete(pid);
      // Behind all others: a uid with a thousand jobs has one turn in each round, like a uid with one.
      if (queue.size > 0) waiting.set(uid, queue);
      return {
        pid,
        answer(answer) {
          for (const give of answers) give(answer);
        },
      };
    }
  }
  return undefined;
}
