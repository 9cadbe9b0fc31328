import { type AttestPorts, attest } from "../../attest/attest.ts";
import { type DenialRecorder, denyOf, isDecision } from "../../decide/record-denial.ts";
import type { Refusee } from "../../decide/refused-caller.ts";
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
    (peer, seen) => attest(peer, ports, seen),
    ports,
    ({ uid }) => ({ uid }),
  );
}

/**
 * Records refusals as decisions, however callers are attested.
 *
 * @param refuseeOf - what is known of the caller before the caller is attested.
 */
export function recordingRefusals<By, Result>(
  attested: (by: By, seen: (refusee: Refusee) => void) => Promise<Result>,
  ports: RecordingPorts,
  refuseeOf: (by: By) => Refusee | undefined = () => undefined,
): (by: By) => Promise<Result> {
  return async (by) => {
    let refusee = refuseeOf(by);
    try {
      return await attested(by, (seen) => {
        refusee = seen;
      });
    } catch (thrown) {
      if (thrown instanceof BrokerError && isDecision(thrown.code)) {
        const { code: reason, message } = thrown;
        await ports.denials.record(denyOf({ act: "attest", reason, message }, ports), refusee);
      }
      throw thrown;
    }
  };
}
