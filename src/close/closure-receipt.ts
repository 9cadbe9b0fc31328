import { closureReceiptText } from "../domain/closure-receipt.ts";
import { BrokerError } from "../domain/errors.ts";
import type { Step } from "../domain/step.ts";
import type { HistoryReads, IssuanceRow } from "../ports/ledger-reads.ts";
import { type ClosurePorts, closureAfter } from "./closure.ts";

export type ClosureReceiptPorts = ClosurePorts & {
  readonly history: Pick<HistoryReads, "closedBy" | "takenBack">;
  /** C2SP tlog-proof of the event with a sequence, and the checkpoint in it. @throws BrokerError LEDGER_UNAVAILABLE */
  readonly proveEvent: (sequence: number) => Promise<{ readonly proof: string; readonly checkpoint: string }>;
  /** The signed note of a text of the ledger, by the key and under the name of a checkpoint of it. */
  readonly signStatement: (checkpoint: string, text: string) => string;
};

/**
 * What the broker states of a step's closure, signed: whoever has the key of the ledger's checkpoints checks it without the
 * broker, and the signatures of the verifiers by their own keys.
 *
 * @returns a C2SP signed note
 * @throws BrokerError INVALID_FIELD `by` for a step that is not closed; LEDGER_UNAVAILABLE
 */
export async function closureReceipt(step: Step, ports: ClosureReceiptPorts): Promise<string> {
  const { closedSequence, closedAt, closeReason } = step;
  if (closedSequence === undefined || closedAt === undefined || closeReason === undefined) {
    throw new BrokerError("INVALID_FIELD", "by: a step that is closed", { metadata: { field: "by" } });
  }
  const statedAt = ports.clock.now();
  const [closure, takenBack, { proof, checkpoint }] = await Promise.all([
    closureAfter(closedSequence, ports),
    ports.history.takenBack(closedSequence, closedSequence, statedAt),
    ports.proveEvent(closedSequence),
  ]);
  if (closure === undefined)
    throw new BrokerError("LEDGER_UNAVAILABLE", "the step's close is not in the ledger's tables");
  const { stepId, runId, step: name, attempt, agent, state, spiffeId } = step;
  // Of one name with the proof, also where another epoch has begun since its checkpoint: who checks it has one key for both.
  return ports.signStatement(
    checkpoint,
    closureReceiptText({
      step: { stepId, runId, step: name, attempt, agent, state, spiffeId },
      closedSequence,
      closedAt,
      reason: closeReason,
      statedAt,
      closure,
      stepsClosed: takenBack.stepsCount,
      steps: takenBack.steps.map((one) => ({ stepId: one.stepId, state: one.state })),
      credentialsRevoked: takenBack.issuancesCount,
      credentials: takenBack.issuances.map(credentialOf),
      proof,
    }),
  );
}

function credentialOf({ kind, subject, jti, serialNumber, audiences, expiresAt }: IssuanceRow) {
  return {
    kind,
    stepId: subject.kind === "step" ? subject.stepId : "",
    ...(jti === undefined ? {} : { jti }),
    ...(serialNumber === undefined ? {} : { serialNumber }),
    audiences,
    expiresAt,
  };
}
