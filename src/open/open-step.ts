import type { Retries } from "../decide/decide-again.ts";
import { BrokerError, errorOf } from "../domain/errors.ts";
import type { Grant } from "../domain/grant.ts";
import type { Attested } from "../domain/stages.ts";
import { hasExpired, type Step } from "../domain/step.ts";
import type { SvidWanted } from "../issue/entitle.ts";
import type { IssuanceGate } from "../ports/directories.ts";
import type { StepReads } from "../ports/ledger-reads.ts";
import { type DecideOpeningPorts, decideOpening, placeOf, recordingDenials } from "./decide-opening.ts";
import { fence } from "./fence.ts";
import { digestOf, type OpenRequest } from "./open-request.ts";
import { type PrincipalPorts, principalNamedBy, withPrincipal } from "./principal.ts";
import { type RecordedOpening, type RecordOpeningPorts, recordOpening } from "./record-opening.ts";
import { type TermsPorts, termsOf } from "./terms.ts";

export type OpenPorts = TermsPorts &
  DecideOpeningPorts &
  RecordOpeningPorts &
  PrincipalPorts & { readonly steps: StepReads; readonly gate: IssuanceGate; readonly retries: Retries };

export type Opened = RecordedOpening & {
  /** Elements that `allowPartial` dropped. */
  readonly refused: Grant;
};

/**
 * Opens a step: finds who may open it, which attempt it is and what it is granted; then one durable act checks all of
 * this again. What policies hold back for approval waits for it, where the request accepts that. When something that was decided on has changed by then, all of it is decided again.
 *
 * @param wanted - credentials for the caller as the step's executor, which are recorded with the step where none is refused.
 * @throws BrokerError with each reason that `termsOf`, `decideOpening`, `fence` and the ledger's guards give
 */
export async function openStep(
  caller: Attested,
  request: OpenRequest,
  ports: OpenPorts,
  wanted: readonly SvidWanted[] = [],
): Promise<Opened> {
  checkGate(ports.gate);
  const repeated = await repeatedOpening(caller, request, ports);
  if (repeated !== undefined) return { step: repeated, isNew: false, refused: [] };

  return ports.retries.untilItStands(request.runId, async (tries, inScopes) => {
    const { terms, place } = await recordingDenials(caller, request, ports, async () => {
      const first = { isFirst: tries === 1 };
      const agreed = await withPrincipal(request, await termsOf(caller, request, ports), ports, first);
      return { terms: agreed, place: await placeOf(caller, request, agreed, ports) };
    });
    await inScopes(place.scopes);
    const fenced = fence(request.attempt, await ports.steps.standingAttempts(request.runId, request.step));
    const decided = await decideOpening({ caller, request, terms, fenced, place }, ports);
    const opening = { caller, request, terms, fenced, decided, wanted };
    const recorded = await recordingDenials(caller, request, ports, () => recordOpening(opening, ports));
    return { ...recorded, refused: decided.decision.refused };
  });
}

export function checkGate(gate: IssuanceGate): void {
  const refusal = gate.refusal();
  if (refusal !== undefined) throw errorOf(refusal);
}

/** The step that the same request opened before. Once that step has expired, its request id says nothing any more. */
async function repeatedOpening(
  caller: Attested,
  request: OpenRequest,
  ports: Pick<OpenPorts, "steps" | "clock" | "principals" | "principalTokens">,
): Promise<Step | undefined> {
  if (request.requestId === undefined) return undefined;
  for (const entry of caller.entries) {
    const step = await ports.steps.stepByRequest(entry.entryId, caller.process, request.requestId);
    if (step === undefined || hasExpired(step.expiresAt, ports.clock.now())) continue;
    if (step.requestDigest === digestOf(request, principalNamedBy(request, ports))) return step;
    throw new BrokerError("REQUEST_ID_REUSED", "this request_id was used for a different request");
  }
  return undefined;
}
