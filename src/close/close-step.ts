import { visibleTo } from "../decide/step-access.ts";
import { BrokerError, errorOf, invalidField } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { formatProcess } from "../domain/process.ts";
import type { Attested } from "../domain/stages.ts";
import { REASON_OF_STATE, type Step } from "../domain/step.ts";
import type { Clock } from "../ports/clock.ts";
import type { CloseResult, Ledger } from "../ports/ledger.ts";
import type { FeedReads, StepReads } from "../ports/ledger-reads.ts";
import type { ReceiptBook, Receipts } from "./receipts.ts";

export type CloseRequest = {
  readonly stepId: string;
  readonly outcome: "COMPLETED" | "FAILED" | "CANCELLED";
  /** 0: don't wait. */
  readonly awaitReceiptsMs: number;
};

export type ClosePorts = {
  readonly ledger: Ledger;
  readonly steps: StepReads;
  readonly feed: FeedReads;
  readonly receipts: ReceiptBook;
  readonly clock: Clock;
  /** Told of every close, before it is answered. */
  readonly closed: (result: CloseResult) => void;
};

export type Closed = { readonly step: Step; readonly result: CloseResult; readonly receipts: Receipts };

/**
 * Closes a step with its live descendants and revokes all they hold, in one durable act. Once this has returned no
 * credential of the step can be recorded any more. Closing a closed step answers with what was recorded.
 *
 * @throws BrokerError STEP_NOT_FOUND, NOT_ENTITLED, INVALID_FIELD, LEDGER_UNAVAILABLE
 */
export async function closeStep(caller: Attested, request: CloseRequest, ports: ClosePorts): Promise<Closed> {
  const limitMs = LIMITS.awaitReceiptsSecondsMax * 1_000;
  if (!(request.awaitReceiptsMs >= 0 && request.awaitReceiptsMs <= limitMs)) {
    throw invalidField("await_receipts", `at most ${LIMITS.awaitReceiptsSecondsMax} s`);
  }
  const { step, access } = visibleTo(caller, await ports.steps.step(request.stepId));
  const mayClose = access.asOpener || (access.asExecutor && request.outcome !== "CANCELLED");
  if (!mayClose) {
    throw new BrokerError(
      "NOT_ENTITLED",
      access.asExecutor ? "an executor reports COMPLETED or FAILED" : "only its opener closes a step; operators revoke",
    );
  }

  const result = await ports.ledger.perform({
    act: "close",
    target: { kind: "steps", stepIds: [step.stepId] },
    state: request.outcome,
    reason: REASON_OF_STATE[request.outcome],
    by: {
      kind: "entry",
      entryId: access.asOpener ? step.openerEntryId : step.agentEntryId,
      process: formatProcess(caller.process),
    },
    now: ports.clock.now(),
  });
  if (result.kind === "denial") throw errorOf(result);
  if (!result.alreadyClosed) ports.closed(result);

  const receipts = await receiptsOf(result.sequence, request.awaitReceiptsMs, ports);
  return { step: (await ports.steps.step(step.stepId)) ?? step, result, receipts };
}

/** Who has applied the close of this sequence by now, or within a time. */
export async function receiptsOf(
  sequence: number,
  waitMs: number,
  ports: Pick<ClosePorts, "feed" | "receipts" | "clock">,
): Promise<Receipts> {
  const { entries } = await ports.feed.denied(sequence - 1, sequence, LIMITS.watcherBacklogEventsMax);
  return ports.receipts.settled(sequence, entries, waitMs);
}
