import type { PendingApproval } from "../domain/approval.ts";
import { type Denial, errorOf, isDenial } from "../domain/errors.ts";
import { ID_RANDOM_BYTES, newId } from "../domain/ids.ts";
import type { RecordedPrincipal, SealedPrincipal } from "../domain/principal.ts";
import { stepSpiffeId } from "../domain/spiffe-id.ts";
import type { Attested, Delivery } from "../domain/stages.ts";
import { asOpened, asPending, type OpenedStep, type Step } from "../domain/step.ts";
import { type DraftFirstPorts, draftFirst } from "../issue/draft-first.ts";
import type { SvidWanted } from "../issue/entitle.ts";
import { type IssueEntitledPorts, issueDrafted } from "../issue/issue-entitled.ts";
import type { ProcessWatch } from "../ports/attestor.ts";
import type { Clock } from "../ports/clock.ts";
import type { InForce } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { StepReads } from "../ports/ledger-reads.ts";
import type { Randomness } from "../ports/randomness.ts";
import type { Replicas } from "../ports/replicas.ts";
import type { DecidedOpening } from "./decide-opening.ts";
import type { Fenced } from "./fence.ts";
import { digestOf, type OpenRequest } from "./open-request.ts";
import { pendingApprovalOf } from "./pending-approval.ts";
import { type PrincipalPorts, principalNamedBy } from "./principal.ts";
import type { Terms } from "./terms.ts";
import type { CheckTokenSize } from "./token-size.ts";

export type RecordOpeningPorts = Pick<PrincipalPorts, "principals" | "principalTokens"> &
  DraftFirstPorts &
  IssueEntitledPorts & {
    readonly processes: Pick<ProcessWatch, "find">;
    /** Absent: the ledger is shared with nobody. */
    readonly replicas?: Pick<Replicas, "own"> | undefined;
    /** How long a step waits for its approval. */
    readonly approvalSeconds: number;
    readonly ledger: Pick<Ledger, "perform">;
    readonly steps: Pick<StepReads, "step">;
    readonly clock: Clock;
    readonly random: Randomness;
    readonly checkTokenSize: CheckTokenSize;
    /** Waits until the step is in the directory, where the opener's next call looks for the step. */
    readonly inDirectory: InForce;
    /** Waits until the steps that the opening ended have ended for verifiers too. */
    readonly inForce: InForce;
  };

/** All that is known of an opening before the ledger has the last word. */
export type Opening = {
  readonly caller: Attested;
  readonly request: OpenRequest;
  readonly terms: Terms;
  readonly fenced: Fenced;
  readonly decided: DecidedOpening;
  /** The credentials that are wanted with the step. */
  readonly wanted: readonly SvidWanted[];
};

/** `isNew` is false for a step that the same request had opened before. */
export type RecordedOpening = {
  readonly step: Step;
  readonly isNew: boolean;
  /** One answer for each credential that is wanted; absent where they have to be asked for. */
  readonly svids?: FirstSvids;
};

type FirstSvids = Promise<readonly (Delivery | Denial)[]>;

/**
 * Opens the step in one durable act, which checks once more all that the opening stands on. A step that has to be approved
 * is recorded as one that waits.
 *
 * @throws BrokerError with the refusal of a guard, LIMIT_EXCEEDED, LEDGER_UNAVAILABLE
 */
export async function recordOpening(opening: Opening, ports: RecordOpeningPorts): Promise<RecordedOpening> {
  const { terms, fenced, decided } = opening;
  const { decision, decidedOn } = decided;
  const { step, approval } = decision.effect === "allow" ? asked(stepOf(opening, ports)) : waiting(opening, ports);
  ports.checkTokenSize(asOpened(step, 0), terms.principal);
  const opened = ports.ledger.perform({
    act: "open-step",
    step,
    decision: { ...decision, stepId: step.stepId },
    decidedOn,
    supersedes: fenced.supersedes,
    openStepsMax: terms.openStepsMax,
    executorOpenStepsMax: terms.executorOpenStepsMax,
    ...(approval === undefined ? {} : { approval }),
    ...(terms.principalErasedAt === undefined ? {} : { principalErasedAt: terms.principalErasedAt }),
    now: step.openedAt,
  });
  const svids = approval === undefined ? firstSvids(opening, step, ports) : undefined;
  const result = await opened;
  if (isDenial(result)) throw errorOf(result);
  if (result.kind === "existing") return { step: await existing(result.stepId, ports), isNew: false };
  const endsSteps = approval === undefined && (fenced.supersedes || decision.closes !== undefined);
  await (endsSteps ? ports.inForce : ports.inDirectory)(result.sequence);
  const recorded =
    approval === undefined ? asOpened(step, result.sequence) : asPending(step, approval, result.sequence);
  return { step: recorded, isNew: true, ...(svids === undefined ? {} : { svids }) };
}

/**
 * Issues in the same turn in which the step is recorded, so that both acts are one message to the ledger and one
 * transaction of it. What is recorded of a credential stands on the step's row, and is refused where there is none.
 */
function firstSvids(
  { caller, wanted, terms: { principal } }: Opening,
  step: OpenedStep,
  ports: RecordOpeningPorts,
): FirstSvids | undefined {
  const drafts = wanted.length === 0 ? undefined : draftFirst(caller, asOpened(step, 0), { wanted, principal }, ports);
  if (drafts === undefined) return undefined;
  const svids = issueDrafted(drafts, ports);
  // Where the step can't be recorded, that is what its opener is told.
  svids.catch(() => undefined);
  return svids;
}

type Asked = { readonly step: OpenedStep; readonly approval?: PendingApproval };

function asked(step: OpenedStep): Asked {
  return { step };
}

/** The step with all that was asked for, of which nothing is granted yet. */
function waiting(opening: Opening, ports: RecordOpeningPorts): Asked {
  const { decision } = opening.decided;
  const step = { ...stepOf(opening, ports), grant: decision.requested };
  const approval = pendingApprovalOf(step, opening, ports);
  return { step: { ...step, expiresAt: approval.until }, approval };
}

async function existing(stepId: string, { steps }: RecordOpeningPorts): Promise<Step> {
  const step = await steps.step(stepId);
  if (step === undefined) throw new RangeError("the ledger names a step that it does not have");
  return step;
}

function stepOf({ caller, request, terms, fenced, decided }: Opening, ports: RecordOpeningPorts): OpenedStep {
  const { clock, random, replicas } = ports;
  const now = clock.now();
  const name = { runId: request.runId, step: request.step, attempt: fenced.attempt };
  const { parent, delegated } = terms;
  const { decision, scopes } = decided;
  const { workflow, purpose, leaseSeconds, requestId } = request;
  return {
    stepId: newId("step", now, random.bytes(ID_RANDOM_BYTES)),
    ...name,
    agent: request.agent,
    agentEntryId: terms.agent.entryId,
    openerEntryId: terms.opener.entryId,
    opener: caller.process,
    executor: terms.executor,
    spiffeId: stepSpiffeId(terms.agent.spiffeId, name),
    grant: decision.granted,
    audiences: request.audiences,
    openedAt: now,
    expiresAt: terms.expiresAt,
    depth: parent === undefined ? 0 : parent.depth + 1,
    ...(scopes.length === 1 ? {} : { factScopes: scopes }),
    decisionId: decision.decisionId,
    ...(parent === undefined ? {} : { parentStepId: parent.stepId }),
    ...(terms.principal === undefined ? {} : { principal: recordedOf(terms.principal) }),
    ...(delegated === undefined ? {} : { delegationJti: delegated.jti }),
    ...(replicas === undefined ? {} : { keeper: replicas.own }),
    ...(workflow === undefined ? {} : { workflow }),
    ...(purpose === undefined ? {} : { purpose }),
    ...(leaseSeconds === undefined ? {} : { leaseSeconds }),
    ...(requestId === undefined
      ? {}
      : { requestId, requestDigest: digestOf(request, principalNamedBy(request, ports)) }),
  };
}

/** What the ledger holds of a principal, and nothing that says who it is. */
function recordedOf({ principalId, sealed }: SealedPrincipal): RecordedPrincipal {
  return { principalId, sealed };
}
