import { type StepAccess, visibleTo } from "../decide/step-access.ts";
import { BrokerError, errorOf, invalidField, isDenial } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { formatProcess } from "../domain/process.ts";
import type { Attested } from "../domain/stages.ts";
import { REASON_OF_STATE, type Step } from "../domain/step.ts";
import type { Clock } from "../ports/clock.ts";
import type { StepDirectory } from "../ports/directories.ts";
import type { InForce } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { CloseResult } from "../ports/ledger-acts.ts";
import type { FeedReads } from "../ports/ledger-reads.ts";
import type { StandingExchange, StandingExchanges } from "../ports/standing-exchanges.ts";
import { summaryOf } from "./deny-summary.ts";
import type { ReceiptBook, Receipts } from "./receipts.ts";

export type CloseRequest = {
  readonly stepId: string;
  readonly outcome: "COMPLETED" | "FAILED" | "CANCELLED";
  /** For verifiers, and for other systems that are told to end a secret; 0: don't wait. */
  readonly awaitReceiptsMs: number;
};

export type ClosePorts = ReceiptsPorts & {
  readonly ledger: Pick<Ledger, "perform">;
  readonly stepDirectory: Pick<StepDirectory, "byId">;
  readonly exchanges: Pick<StandingExchanges, "afterClose">;
  readonly inForce: InForce;
};

export type ReceiptsPorts = {
  readonly feed: Pick<FeedReads, "denied">;
  readonly receipts: ReceiptBook;
  readonly clock: Clock;
};

export type Closed = {
  readonly step: Step;
  readonly result: CloseResult;
  readonly receipts: Receipts;
  /** Secrets of other systems that the closed steps had, and of which something may be alive. */
  readonly stillAlive: readonly StandingExchange[];
};

/**
 * Closes a step with its live descendants and revokes all they hold, in one durable act. Once `closeStep` has returned,
 * no credential of the step can be recorded any more. Closing a closed step answers with what was recorded. A step that
 * waits for approval is taken back as CANCELLED, and can have no other outcome.
 *
 * @throws BrokerError STEP_NOT_FOUND, NOT_ENTITLED, INVALID_FIELD `outcome` or `await_receipts`, LEDGER_UNAVAILABLE
 */
export async function closeStep(caller: Attested, request: CloseRequest, ports: ClosePorts): Promise<Closed> {
  checkAwaited(request);
  const { step, access } = visibleTo(caller, await ports.stepDirectory.byId(request.stepId));
  checkMayClose(access, step, request);
  const result = await record(caller, access, step, request, ports);
  await ports.inForce(result.sequence);
  const closed = await afterClose(step, request, result, ports);
  const [receipts, stillAlive] = await Promise.all([
    receiptsOf(result.sequence, request.awaitReceiptsMs, ports),
    ports.exchanges.afterClose(result.sequence, request.awaitReceiptsMs),
  ]);
  return { step: closed, result, receipts, stillAlive };
}

function checkAwaited({ awaitReceiptsMs }: CloseRequest): void {
  const limitMs = LIMITS.awaitReceiptsSecondsMax * 1_000;
  if (awaitReceiptsMs >= 0 && awaitReceiptsMs <= limitMs) return;
  throw invalidField("await_receipts", `at most ${LIMITS.awaitReceiptsSecondsMax} s`);
}

function checkMayClose({ asOpener, asExecutor }: StepAccess, { state }: Step, { outcome }: CloseRequest): void {
  if (asOpener) return;
  if (asExecutor && state === "PENDING_APPROVAL") {
    throw new BrokerError("NOT_ENTITLED", "only its opener takes back a step that waits for approval");
  }
  if (asExecutor && outcome !== "CANCELLED") return;
  throw new BrokerError(
    "NOT_ENTITLED",
    asExecutor ? "an executor reports COMPLETED or FAILED" : "only its opener closes a step; operators revoke",
  );
}

async function record(
  caller: Attested,
  access: StepAccess,
  step: Step,
  { outcome }: CloseRequest,
  { ledger, clock }: ClosePorts,
): Promise<CloseResult> {
  const entryId = access.asOpener ? step.openerEntryId : step.agentEntryId;
  const result = await ledger.perform({
    act: "close",
    target: { kind: "steps", stepIds: [step.stepId] },
    state: outcome,
    reason: REASON_OF_STATE[outcome],
    by: { kind: "entry", entryId, process: formatProcess(caller.process) },
    now: clock.now(),
  });
  if (isDenial(result)) throw errorOf(result);
  return result;
}

/** The step as its close left it; that may have been an earlier close than this one. */
async function afterClose(
  step: Step,
  { outcome }: CloseRequest,
  { sequence, closedAt, alreadyClosed }: CloseResult,
  { stepDirectory }: ClosePorts,
): Promise<Step> {
  if (alreadyClosed) return (await stepDirectory.byId(step.stepId)) ?? step;
  return { ...step, state: outcome, closedSequence: sequence, closedAt, closeReason: REASON_OF_STATE[outcome] };
}

/** Who has applied the close of this sequence, by now or within `waitMs`. */
export async function receiptsOf(
  sequence: number,
  waitMs: number,
  { feed, receipts }: Pick<ReceiptsPorts, "feed" | "receipts">,
): Promise<Receipts> {
  return receipts.settled(sequence, await summaryOf(feed.denied(sequence - 1, sequence)), waitMs);
}
