import type { ProcessIdentity } from "../domain/process.ts";
import type { Step } from "../domain/step.ts";
import type { Cancel } from "./clock.ts";

/** Who executes: a process, and the entries of agents that it matches as it is now. */
export type ExecutingProcess = { readonly process: ProcessIdentity; readonly entryIds: readonly string[] };

/**
 * The open steps by who may be issued their credentials, beside the event loop. It may be a commit behind the ledger; both
 * reads throw BrokerError NOT_SERVING while it is behind by more.
 */
export type ExecutorSteps = {
  /**
   * The open steps of agents that the process matches, whose executor is this very process or any that matches; oldest
   * first.
   */
  executedBy(executor: ExecutingProcess): readonly Step[];
  /** The open steps whose executor is this very process, whatever entries it matches; oldest first. */
  stepsOf(process: ProcessIdentity): readonly Step[];
  /** Calls after each step of `executedBy` was opened or closed; ends with the returned function. */
  followExecutor(executor: ExecutingProcess, changed: () => void): Cancel;
};
