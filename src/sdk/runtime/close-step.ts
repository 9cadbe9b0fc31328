import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { CloseResponse } from "../../gen/stint/v1/steps_pb.js";
import { Standing } from "../../gen/stint/v1/types_pb.js";
import { durationOfMs } from "../../wire/timestamps.ts";
import { awaitClosure } from "./await-closure.ts";
import { askBroker, type Broker } from "./broker.ts";
import { type Closure, closureOfMessage } from "./closure.ts";
import { OUTCOME_MESSAGES, type Outcome } from "./outcome.ts";
import { type Receipts, receiptsOf } from "./receipts.ts";
import { type StepStateName, stateNameOf } from "./step-facts.ts";

/** What a close did. */
export type CloseResult = {
  /** What was said. */
  readonly outcome: Outcome;
  /** The same, or another state when the step had ended before. */
  readonly state: StepStateName;
  /** Of the ledger's event. */
  readonly sequence: bigint;
  readonly credentialsRevoked: number;
  readonly descendantsClosed: number;
  /** Who has applied the close; whole only after `awaitReceiptsSeconds`. */
  readonly receipts: Receipts | undefined;
  /** Secrets of other systems that the closed steps had and of which something may be alive; waited for as receipts are. */
  readonly stillAlive: readonly StillAlive[];
  /** With `untilClosedSeconds`: how far it is certain that nobody accepts what the step held. Absent where nobody could say. */
  readonly closure?: Closure;
};

export type StillAlive = {
  readonly exchangeId: string;
  readonly stepId: string;
  /** The name that the broker's configuration gives the other system, and its kind. */
  readonly target: string;
  readonly kind: string;
  /** Until when, if it is not ended before. */
  readonly expiresAt: Date | undefined;
  /** Whether the broker goes on telling the other system to end it; otherwise only its time does. */
  readonly isBeingEnded: boolean;
};

export type CloseOptions = {
  /** Wait until every verifier concerned has acknowledged or lapsed, at most this long; the broker allows 60 s. */
  readonly awaitReceiptsSeconds?: number | undefined;
  /**
   * Wait until nobody can accept any more what the step held, at most this long; `closure` of the result says how far it
   * has come. When this time is over nothing is thrown: the step is closed all the same.
   */
  readonly untilClosedSeconds?: number | undefined;
};

/**
 * Closes a step; of one that is closed already, gives what was recorded.
 *
 * @throws StintError NOT_ENTITLED, STEP_NOT_FOUND, INVALID_FIELD; UNREACHABLE or LEDGER_UNAVAILABLE when trying again
 * did not help either
 */
export async function closeStep(
  broker: Broker,
  stepId: string,
  outcome: Outcome,
  options: CloseOptions,
): Promise<CloseResult> {
  const waitMs = (options.awaitReceiptsSeconds ?? 0) * 1_000;
  const request = {
    stepId,
    outcome: OUTCOME_MESSAGES[outcome],
    ...(waitMs > 0 && { awaitReceipts: durationOfMs(waitMs) }),
  };
  const result = closeResultOf(outcome, await askBroker((call) => broker.steps.close(request, call), { waitMs }));
  const untilMs = (options.untilClosedSeconds ?? 0) * 1_000;
  const closure = untilMs > 0 ? await awaitClosure(broker.steps, stepId, { waitMs: untilMs }) : undefined;
  return closure === undefined ? result : { ...result, closure: closureOfMessage(closure) };
}

function closeResultOf(outcome: Outcome, response: CloseResponse): CloseResult {
  return {
    outcome,
    state: response.step === undefined ? "UNKNOWN" : stateNameOf(response.step.state),
    sequence: response.sequence,
    credentialsRevoked: response.credentialsRevoked,
    descendantsClosed: response.descendantsClosed,
    receipts: response.receipts === undefined ? undefined : receiptsOf(response.receipts),
    stillAlive: response.stillAlive.map(({ exchangeId, stepId, target, kind, expiresAt, standing }) => ({
      ...{ exchangeId, stepId, target, kind },
      expiresAt: expiresAt && timestampDate(expiresAt),
      isBeingEnded: standing === Standing.ENDING,
    })),
  };
}
