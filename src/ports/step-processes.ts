import type { Descent } from "../domain/descent.ts";
import type { ProcessIdentity } from "../domain/process.ts";
import type { Cancel } from "./clock.ts";

/** The live processes that opened a step, or hold or execute one now, and what others are to them; kept in memory. */
export type StepProcesses = {
  /**
   * What a process is to these. `none` too for a process that one of these enrolled.
   *
   * @throws BrokerError NOT_SERVING while it may be more than a commit behind the ledger
   */
  descentOf(process: ProcessIdentity): Descent;
  /** Notes that a process holds a step, until the returned function is called. */
  holds(process: ProcessIdentity): Cancel;
};
