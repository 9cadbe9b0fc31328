import type { ProcessIdentity } from "../domain/process.ts";
import type { Step } from "../domain/step.ts";
import type { Cancel } from "./clock.ts";

/** Who executes: a process, and the entries of agents that the process matches now. */
export type ExecutingProcess = {
  readonly process: ProcessIdentity;
  readonly entryIds: readonly string[];
  /** The processes above it; called only while a tree of processes executes a step of one of the entries. */
  readonly ancestors?: (() => readonly ProcessIdentity[]) | undefined;
};

/**
 * The open steps by the process that may be issued their credentials, kept in memory. They may be a commit behind the
 * ledger; both reads throw BrokerError NOT_SERVING while they are further behind.
 */
export type ExecutorSteps = {
  /**
   * The open steps of agents that the process matches, whose executor is this very process, a tree that the process is
   * in, or any matching process, on a group of nodes any on the opener's machine; oldest first.
   */
  executedBy(executor: ExecutingProcess): readonly Step[];
  /** The open steps whose executor is this very process, by itself or with those below it, whatever entries it matches; oldest first. */
  stepsOf(process: ProcessIdentity): readonly Step[];
  /** Calls after each step of `executedBy` was opened or closed; ends with the returned function. */
  followExecutor(executor: ExecutingProcess, changed: () => void): Cancel;
};
