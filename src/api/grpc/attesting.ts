import { type AttestPorts, attest } from "../../attest/attest.ts";
import { type DenialRecorder, denyOf, isDecision } from "../../decide/record-denial.ts";
import { BrokerError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Randomness } from "../../ports/randomness.ts";
import type { Endpoint } from "./call.ts";

export type RecordingPorts = {
  readonly denials: DenialRecorder;
  readonly clock: Pick<Clock, "now">;
  readonly random: Randomness;
};

/** Attests callers by their processes, and records a decision when a caller is nobody that the broker knows. */
export function attesting(ports: AttestPorts & RecordingPorts): Endpoint["attest"] {
  return recordingRefusals(
    (peer) => attest(peer, ports),
    ports,
    ({ uid }) => uid,
  );
}

/**
 * Records refusals as decisions, however callers are attested.
 *
 * @param uidOf - the uid of the refused caller, where the kernel says it.
 */
export function recordingRefusals<By, Result>(
  attested: (by: By) => Promise<Result>,
  ports: RecordingPorts,
  uidOf: (by: By) => number | undefined = () => undefined,
): (by: By) => Promise<Result> {
  return async (by) => {
    try {
      return await attested(by);
    } catch (thrown) {
      if (thrown instanceof BrokerError && isDecision(thrown.code)) {
        await ports.denials.record(denyOf({ act: "attest", reason: thrown.code }, ports), uidOf(by));
      }
      throw thrown;
    }
  };
}
