import { DeniedError } from "../domain/denial-details.ts";
import { BrokerError } from "../domain/errors.ts";
import type { Attested } from "../domain/stages.ts";
import type { Clock } from "../ports/clock.ts";
import type { Randomness } from "../ports/randomness.ts";
import { type DenialRecorder, denyOf, isDecision, type Refused } from "./record-denial.ts";

export type RecordingPorts = {
  readonly denials: DenialRecorder;
  readonly clock: Pick<Clock, "now">;
  readonly random: Randomness;
};

/** What was asked for, as far as that is known. `callerEntryId` absent: the first entry that the caller matches. */
export type Asked = Omit<Refused, "reason" | "message">;

/**
 * Runs `act`. A refusal of authority that `act` throws is a decision, and is recorded as one; what was decided by policies
 * is recorded already.
 *
 * @param asked - called once the act was refused.
 */
export async function recordingRefusals<T>(
  caller: Attested,
  asked: () => Asked | Promise<Asked>,
  ports: RecordingPorts,
  act: () => Promise<T>,
): Promise<T> {
  try {
    return await act();
  } catch (thrown) {
    const isRecorded = thrown instanceof DeniedError;
    if (thrown instanceof BrokerError && !isRecorded && isDecision(thrown.code)) {
      const { code: reason, message } = thrown;
      const [entry] = caller.entries;
      const by = entry === undefined ? {} : { callerEntryId: entry.entryId };
      await ports.denials.record(denyOf({ ...by, ...(await asked()), reason, message }, ports), caller);
    }
    throw thrown;
  }
}
