import { loadWriterAhead, type WriterAhead } from "../adapters/ledger-sqlite/writer-thread.ts";
import { createCedarEngine } from "../adapters/policy-cedar/cedar-engine.ts";

/** Threads that load their programs while this one loads its own, which takes as long as all of theirs. */
export type ThreadsAhead = {
  readonly cedar: ReturnType<typeof createCedarEngine>;
  readonly writer: WriterAhead;
};

/** Starts them. They keep no process alive, and open nothing. */
export function startThreadsAhead(): ThreadsAhead {
  const cedar = createCedarEngine();
  cedar.loadAhead();
  return { cedar, writer: loadWriterAhead() };
}
