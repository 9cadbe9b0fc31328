import { BrokerError } from "../domain/errors.ts";
import { isClosed, permits, type Step } from "../domain/step.ts";

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
 * @param standing - the newest attempt there is, and all that are not closed, newest first. The ledger checks again when
 *   it records.
 * @throws BrokerError STEP_EXISTS, STALE_ATTEMPT
 */
export function fence(
  asked: number | undefined,
  standing: readonly Pick<Step, "stepId" | "attempt" | "state">[],
): Fenced {
  const [newest] = standing;
  if (newest === undefined) return { attempt: asked ?? 1, supersedes: asked !== undefined };
  if (asked === undefined) {
    const live = standing.find(({ state }) => !isClosed(state));
    if (live !== undefined) {
      throw new BrokerError("STEP_EXISTS", `attempt ${live.attempt} of this step is ${live.state}`, {
        metadata: { attempt: String(live.attempt) },
      });
    }
    return { attempt: newest.attempt + 1, supersedes: false };
  }
  if (asked <= newest.attempt) {
    throw new BrokerError("STALE_ATTEMPT", `the newest attempt of this step is ${newest.attempt}`, {
      metadata: { attempt: String(newest.attempt) },
    });
  }
  const open = standing.find(({ state }) => permits(state));
  return { attempt: asked, supersedes: true, ...(open === undefined ? {} : { replaces: open.stepId }) };
}
