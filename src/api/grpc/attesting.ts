import { type AttestPorts, attest } from "../../attest/attest.ts";
import { type DenialRecorder, isDecision, refusedIdentity } from "../../decide/record-denial.ts";
import { BrokerError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Randomness } from "../../ports/randomness.ts";
import type { Endpoint } from "./call.ts";

export type RecordingPorts = {
  readonly denials: DenialRecorder;
  readonly clock: Pick<Clock, "now">;
  readonly random: Randomness;
};

/** Attests callers by their processes, and records as a decision that one of them is nobody the broker knows. */
export function attesting(ports: AttestPorts & RecordingPorts): Endpoint["attest"] {
  return recordingRefusals((peer) => attest(peer, ports), ports);
}

/** The same, however callers are attested. */
export function recordingRefusals<By, Result>(
  attested: (by: By) => Promise<Result>,
  ports: RecordingPorts,
): (by: By) => Promise<Result> {
  return async (by) => {
    try {
      return await attested(by);
    } catch (thrown) {
      if (thrown instanceof BrokerError && isDecision(thrown.code)) {
        await ports.denials.record(refusedIdentity(ports.clock, ports.random));
      }
      throw thrown;
    }
  };
}
