import { type DenialRecorder, denyOf, isDecision } from "../decide/record-denial.ts";
import { DeniedError } from "../domain/denial-details.ts";
import { BrokerError } from "../domain/errors.ts";
import { isOfKind } from "../domain/registration-entry.ts";
import type { Attested } from "../domain/stages.ts";
import type { Clock } from "../ports/clock.ts";
import type { StepDirectory } from "../ports/directories.ts";
import type { Randomness } from "../ports/randomness.ts";

export type RecordingPorts = {
  readonly stepDirectory: Pick<StepDirectory, "byId">;
  readonly denials: DenialRecorder;
  readonly clock: Pick<Clock, "now">;
  readonly random: Randomness;
};

/**
 * Runs `act`, by which an operator answers a step that waits. A refusal of authority that it throws is a decision of its
 * own, and is recorded as one, as bounded as all denials are; one that was decided by policies is recorded already.
 *
 * @param stepId - as the caller named the step; of a step that nobody knows no more is recorded than who tried.
 */
export async function recordingRefusals<T>(
  caller: Attested,
  stepId: string,
  ports: RecordingPorts,
  act: () => Promise<T>,
): Promise<T> {
  try {
    return await act();
  } catch (thrown) {
    const isRecorded = thrown instanceof DeniedError;
    if (thrown instanceof BrokerError && !isRecorded && isDecision(thrown.code)) {
      const { code: reason, message } = thrown;
      const answered = await answeredBy(caller, stepId, ports);
      await ports.denials.record(denyOf({ act: "administer", reason, message, ...answered }, ports), caller);
    }
    throw thrown;
  }
}

/** By which entry, and which step: that is as much a fact of the refusal as the caller. */
async function answeredBy({ entries }: Attested, stepId: string, { stepDirectory }: RecordingPorts) {
  const entry = entries.find((one) => isOfKind(one, "operator")) ?? entries[0];
  const named = await stepDirectory.byId(stepId);
  return {
    ...(entry === undefined ? {} : { callerEntryId: entry.entryId }),
    ...(named === undefined
      ? {}
      : {
          agent: named.agent,
          runId: named.runId,
          step: named.step,
          attempt: named.attempt,
          stepId: named.stepId,
          requested: named.grant,
        }),
  };
}
