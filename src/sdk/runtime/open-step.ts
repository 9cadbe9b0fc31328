import { inspect } from "node:util";
import { invalidField } from "../../domain/errors.ts";
import { locationsOf } from "../../domain/grant.ts";
import { type Step as StepMessage, StepState } from "../../gen/stint/v1/types_pb.js";
import type { CallOptions } from "../../wire/client.ts";
import { awaitApproval } from "./await-approval.ts";
import { askBroker, type Broker } from "./broker.ts";
import { type CloseResult, closeStep } from "./close-step.ts";
import { createCredentialPipe } from "./credential-pipe.ts";
import { runInStep } from "./current-step.ts";
import { issueDelegationToken } from "./delegation-token.ts";
import { createDpopKey, type DpopKey } from "./dpop-key.ts";
import { exchangeSecret } from "./exchanged-secret.ts";
import type { JwtSvid } from "./jwt-svid.ts";
import { type OpenRequest, openRequestOf } from "./open-request.ts";
import type { OutcomeOf } from "./outcome.ts";
import { tokenCredentials, witCredentials } from "./request-credentials.ts";
import {
  type HoldOptions,
  type InParentsRun,
  type OpenStepOptions,
  type ResumeStepOptions,
  STEP_PROOFS,
  type Step,
  type StepProof,
  type WithStepOptions,
} from "./step.ts";
import { stateNameOf, stepFactsOf } from "./step-facts.ts";
import { createStepFetch, type Fetch } from "./step-fetch.ts";
import { type EndsWith, watchStep } from "./step-lifetime.ts";
import { createStepSvids, type StepSvids } from "./step-svids.ts";
import { isStintError, StintError, stepClosed, stintErrorOf } from "./stint-error.ts";
import { type OpenedStep, withStep } from "./with-step.ts";

/** What all steps of one client have in common. */
export type StepTerms = {
  readonly broker: Broker;
  readonly agent?: string | undefined;
  readonly workflow?: string | undefined;
  readonly outcomeOf?: OutcomeOf | undefined;
  readonly fetch?: Fetch | undefined;
  readonly proof?: StepProof | undefined;
  readonly holdGraceMs?: number | undefined;
  /** The client, and the parent of a child. */
  readonly endsWith: readonly EndsWith[];
};

/**
 * Opens a step. While the broker is away it is asked again, with the same `request_id`: an answer that was lost on its
 * way does not leave a second step behind.
 *
 * @throws StintError POLICY_DENIED (metadata `decision_id`), STEP_EXISTS, STALE_ATTEMPT, NOT_ENTITLED, NO_IDENTITY,
 * INVALID_FIELD, …; STEP_CLOSED when `requestId` names a step that has ended, when an approval was refused, and for a step
 * that still waits for one without `acceptPending`; APPROVAL_TIMEOUT;
 * HOLD_LOST when it was opened and then could not be held
 */
export async function openStep(terms: StepTerms, options: OpenStepOptions, parentStepId = ""): Promise<Step> {
  return (await opened(terms, options, parentStepId)).step;
}

async function opened(terms: StepTerms, options: OpenStepOptions, parentStepId = ""): Promise<OpenedStep> {
  const dpopKey = await dpopKeyOf(terms, options);
  const request = await openRequestOf(options, terms, parentStepId, dpopKey);
  const response = await answerOf(terms.broker, request.message, options.signal);
  const step = await approved(terms, response.step, options);
  return stepOf(terms, step, options, dpopKey, (svids) => request.keepFirst(response, svids));
}

/**
 * Of an opening that is given up while the broker is asked, the answer is waited for all the same, and the step taken back: nobody
 * else knows of it, and nobody is to approve it.
 */
async function answerOf(broker: Broker, message: OpenRequest["message"], signal: AbortSignal | undefined) {
  const ask = ({ deadlineMs }: CallOptions) => {
    signal?.throwIfAborted();
    return broker.steps.open(message, { deadlineMs });
  };
  const response = await askBroker(ask, { signal });
  if (signal?.aborted !== true) return response;
  // If that can't be said, the broker ends the step in time: nobody holds it.
  if (response.step !== undefined)
    await closeStep(broker, response.step.stepId, "CANCELLED", {}).catch(() => undefined);
  throw signal.reason;
}

/** The step, once it is approved where that is waited for. */
async function approved(
  { broker, endsWith }: StepTerms,
  step: StepMessage | undefined,
  { acceptPending, approvalTimeoutMs: timeoutMs, signal }: OpenStepOptions,
): Promise<StepMessage | undefined> {
  if (acceptPending !== true || step?.state !== StepState.PENDING_APPROVAL) return step;
  return awaitApproval(step, { broker, endsWith, timeoutMs, signal });
}

/**
 * Takes up a step that is open: after a restart of its runtime, or in the process that was named its executor.
 *
 * @throws StintError STEP_NOT_FOUND, NOT_ENTITLED; STEP_CLOSED (metadata `state`) when it has ended
 */
export async function resumeStep(terms: StepTerms, options: ResumeStepOptions): Promise<Step> {
  const by =
    "stepId" in options
      ? { case: "stepId" as const, value: options.stepId }
      : { case: "name" as const, value: { runId: options.runId, step: options.step, attempt: options.attempt ?? 0 } };
  const { signal } = options;
  const { step } = await askBroker((call) => terms.broker.steps.get({ by }, call), { signal });
  return (await stepOf(terms, step, options, await dpopKeyOf(terms, options))).step;
}

function proofOf(terms: StepTerms, options: HoldOptions): StepProof | undefined {
  const proof = options.proof ?? terms.proof;
  checkProof(proof);
  return proof;
}

/**
 * Another word for a proof, such as a mistyped one, would otherwise be no proof.
 *
 * @throws StintError INVALID_FIELD
 */
export function checkProof(proof: StepProof | undefined): void {
  if (proof !== undefined && !STEP_PROOFS.includes(proof))
    throw stintErrorOf(invalidField("proof", STEP_PROOFS.join(" or ")));
}

/** One for each step, so that a server cannot tell by it that two are of one process. */
async function dpopKeyOf(terms: StepTerms, options: HoldOptions): Promise<DpopKey | undefined> {
  return proofOf(terms, options) === "dpop" ? createDpopKey() : undefined;
}

async function stepOf(
  terms: StepTerms,
  message: StepMessage | undefined,
  options: HoldOptions,
  dpopKey: DpopKey | undefined,
  prepare: (svids: StepSvids) => void = () => undefined,
): Promise<OpenedStep> {
  if (message === undefined) throw new StintError("BROKER_FAILED", "the broker's answer holds no step");
  if (message.state !== StepState.OPEN) throw stepClosed(message.stepId, stateNameOf(message.state));
  const { broker } = terms;
  const facts = stepFactsOf(message);
  const { stepId } = facts;
  const lifetime = watchStep({
    broker,
    stepId,
    expiresAt: facts.expiresAt,
    hold: options.hold ?? true,
    graceMs: terms.holdGraceMs,
    endsWith: terms.endsWith,
  });
  const { ended } = lifetime;
  const signal = options.signal === undefined ? ended : AbortSignal.any([ended, options.signal]);
  const svids = createStepSvids({ broker, stepId, signal: ended });
  prepare(svids);
  ended.addEventListener("abort", () => svids.clear(), { once: true });
  let closing: Promise<CloseResult> | undefined;

  /** A refusal to mint can be the first word of the step's end. */
  async function minted<Svid>(svid: Promise<Svid>): Promise<Svid> {
    try {
      return await svid;
    } catch (thrown) {
      if (isStintError(thrown, "STEP_CLOSED")) lifetime.end(thrown);
      throw thrown;
    }
  }

  const credentials =
    proofOf(terms, options) === "wpt"
      ? witCredentials({
          witSvid: (rejected) => minted(svids.witSvid(rejected)),
          txnToken: (location, rejected) => minted(svids.txnToken(location, { rejected })),
        })
      : tokenCredentials(
          (audience, rejected) => minted(svids.jwtSvid(audience, { boundTo: dpopKey, rejected })),
          dpopKey,
        );

  async function openChild(child: InParentsRun<OpenStepOptions>): Promise<OpenedStep> {
    ended.throwIfAborted();
    const withParent = { signal: ended, error: (childId: string) => stepClosed(childId, "CANCELLED") };
    const childTerms = { ...terms, proof: proofOf(terms, options), endsWith: [...terms.endsWith, withParent] };
    return opened(childTerms, { ...child, runId: child.runId ?? facts.name.runId }, stepId);
  }

  const step: Step = {
    ...facts,
    signal,
    jwtSvid: (audience, { grant, boundTo } = {}) => minted(svids.jwtSvid(audience, { grant, boundTo })),
    x509Svid: () => minted(svids.x509Svid()),
    witSvid: () => minted(svids.witSvid()),
    txnToken: (location, { grant } = {}) => minted(svids.txnToken(location, { grant })),
    delegationToken: (delegation) => minted(issueDelegationToken({ broker, stepId, signal: ended }, delegation)),
    exchange: (target) => minted(exchangeSecret({ broker, stepId, signal: ended }, target)),
    async credentialPipe(pipeOptions = {}) {
      const first = (audience: string) => minted(svids.jwtSvid(audience));
      const next = (old: JwtSvid) => minted(svids.jwtSvidAfter(old));
      return createCredentialPipe({ facts, signal, first, next }, pipeOptions);
    },
    fetch: createStepFetch({ locations: locationsOf(facts.grant), credentials, signal, fetch: terms.fetch }),
    run: (work) => runInStep(step, work),
    openStep: async (child) => (await openChild(child)).step,
    withStep: (child, work) => withStep(() => openChild(child), { outcomeOf: terms.outcomeOf, ...child }, work),
    async renew() {
      await askBroker((call) => broker.steps.renew({ stepId }, call), { signal: ended });
    },
    close(outcome = "COMPLETED", closeOptions = {}) {
      const closed = stepClosed(stepId, outcome);
      closing ??= closeStep(broker, stepId, outcome, closeOptions)
        .catch((thrown: unknown) => {
          closing = undefined;
          throw thrown;
        })
        .finally(() => lifetime.end(closed));
      lifetime.endUse(closed);
      return closing;
    },
    async [Symbol.asyncDispose]() {
      if (closing === undefined && isStintError(ended.reason, "STEP_CLOSED")) return;
      await (closing ?? step.close("FAILED"));
    },
    toJSON: () => facts,
  };
  Object.defineProperty(step, inspect.custom, { value: () => `Step(${facts.spiffeId})` });
  // A step that nobody holds would outlive a process that dies now; one that cannot be held is of no use.
  await lifetime.begun;
  ended.throwIfAborted();
  return { step, isClosing: () => closing !== undefined };
}

/** `withStep` of a client: without a parent. */
export function workInStep<Result>(
  terms: StepTerms,
  options: WithStepOptions,
  work: (step: Step) => Promise<Result> | Result,
): Promise<Result> {
  return withStep(() => opened(terms, options), { outcomeOf: terms.outcomeOf, ...options }, work);
}
