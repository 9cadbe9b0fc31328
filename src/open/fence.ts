import { BrokerError } from "../domain/errors.ts";
import { isClosed, type Step } from "../domain/step.ts";

/** Which attempt a step is opened as, and whether this attempt fences off an older attempt that is still open. */
export type Fenced = {
  readonly attempt: number;
  readonly supersedes: boolean;
  /** The open step that it takes the place of. */
  readonly replaces?: string;
};

/**
 * A retry is a new attempt. Without a number, the next attempt is opened only once the newest is closed, so that two
 * runtimes never work on the same step unawares; with a number, the newer attempt wins.
 *
 * @param asked - the attempt asked for; `undefined`: the next.
 * @param newest - the newest attempt there is. The ledger checks again when it records.
 * @throws BrokerError STEP_EXISTS, STALE_ATTEMPT
 */
export function fence(
  asked: number | undefined,
  newest: Pick<Step, "stepId" | "attempt" | "state"> | undefined,
): Fenced {
  if (newest === undefined) return { attempt: asked ?? 1, supersedes: asked !== undefined };
  if (asked === undefined) {
    if (!isClosed(newest.state)) {
      throw new BrokerError("STEP_EXISTS", `attempt ${newest.attempt} of this step is ${newest.state}`, {
        metadata: { attempt: String(newest.attempt) },
      });
    }
    return { attempt: newest.attempt + 1, supersedes: false };
  }
  if (asked <= newest.attempt) {
    throw new BrokerError("STALE_ATTEMPT", `the newest attempt of this step is ${newest.attempt}`, {
      metadata: { attempt: String(newest.attempt) },
    });
  }
  return { attempt: asked, supersedes: true, ...(isClosed(newest.state) ? {} : { replaces: newest.stepId }) };
}
