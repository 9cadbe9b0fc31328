import { type DecidePorts, decide } from "../decide/decide.ts";
import type { DenialRecorder } from "../decide/record-denial.ts";
import { recordingRefusals } from "../decide/recording-refusals.ts";
import { refusalText, refusedCaller } from "../decide/refused-caller.ts";
import { decidingBy } from "../decide/world.ts";
import type { Ratchet } from "../domain/data-classes.ts";
import type { DecidedOn, Decision } from "../domain/decision.ts";
import { BrokerError } from "../domain/errors.ts";
import { ID_RANDOM_BYTES, newId } from "../domain/ids.ts";
import { ownedBy, sameOwner } from "../domain/owner.ts";
import { type FactScope, factScopesOf } from "../domain/run-facts.ts";
import type { Attested } from "../domain/stages.ts";
import type { ToolDirectory } from "../ports/directories.ts";
import type { StepReads } from "../ports/ledger-reads.ts";
import type { PoliciesInForce } from "../ports/policy-engine.ts";
import type { Randomness } from "../ports/randomness.ts";
import { denialText } from "./denial-text.ts";
import type { Fenced } from "./fence.ts";
import type { OpenRequest } from "./open-request.ts";
import { recordedDenial } from "./recorded-denial.ts";
import { stampedGrant } from "./stamped-grant.ts";
import type { Terms } from "./terms.ts";

export type DecideOpeningPorts = DecidePorts & {
  readonly denials: DenialRecorder;
  readonly random: Randomness;
  readonly toolDirectory: Pick<ToolDirectory, "standing">;
};

/** A decision that allows, or one that waits to be approved, with all that the ledger has to check once more. */
export type DecidedOpening = {
  readonly decision: Decision;
  readonly decidedOn: DecidedOn;
  /** Where the grant counts. */
  readonly scopes: readonly FactScope[];
  /** The policies that hold it back, for a step that waits for approval. */
  readonly heldBackBy?: readonly string[];
};

/** The set of policies that decides, and where by this set the grant will count, as far as the request itself says. */
export type Place = { readonly policies: PoliciesInForce; readonly scopes: readonly FactScope[] };

/**
 * Where policies are to be asked, the opener's right to the run is looked at first, though the act that opens the step
 * checks it again: what policies say of a run tells what it was granted, and to judge its open steps takes time.
 *
 * @throws BrokerError NOT_ENTITLED for a run of another entry; NOT_SERVING
 */
export async function placeOf(
  { process }: Pick<Attested, "process">,
  { runId }: Pick<OpenRequest, "runId">,
  terms: Terms,
  {
    policies: directory,
    steps,
  }: Pick<DecideOpeningPorts, "policies"> & { readonly steps: Pick<StepReads, "runOwner"> },
): Promise<Place> {
  const policies = await directory.inForce();
  const owner = policies.version === 0 || terms.parent?.runId === runId ? undefined : await steps.runOwner(runId);
  if (owner !== undefined && !sameOwner(owner, ownedBy(terms.opener.entryId, process))) {
    throw new BrokerError("NOT_ENTITLED", "the run belongs to another");
  }
  return { policies, scopes: scopesOf(runId, terms, policies.dataClasses.ratchet) };
}

/** What is known of an opening before it is decided. */
type Undecided = {
  readonly caller: Attested;
  readonly request: OpenRequest;
  readonly terms: Terms;
  readonly fenced: Fenced;
  readonly place: Place;
};

/**
 * What the step is granted, as the decision that will be recorded with the step; a deny for a step that waits for approval.
 *
 * @throws BrokerError POLICY_DENIED or DELEGATION_REFUSED, with the id of the recorded decision; and as `decide` does
 */
export async function decideOpening(
  { caller, request, terms, fenced, place }: Undecided,
  ports: DecideOpeningPorts,
): Promise<DecidedOpening> {
  const { runId, step, grant, allowPartial, workflow } = request;
  const { attempt, replaces } = fenced;
  const made = await decide(
    {
      opener: terms.opener,
      entry: terms.agent,
      name: { runId, step, attempt },
      requested: stampedGrant(grant, terms, ports.toolDirectory),
      parent: terms.parent,
      delegated: terms.delegated,
      allowPartial,
      workflow,
      principal: terms.principal,
      selectors: caller.selectors,
      scopes: place.scopes,
      replaces,
    },
    decidingBy(place.policies, ports),
  );
  const { decision: decided, decidedOn, scopes, heldBackBy = [] } = made;
  const now = ports.clock.now();
  const decisionId = newId("decision", now, ports.random.bytes(ID_RANDOM_BYTES));
  const decision: Decision = { ...decided, decisionId, decidedAt: now, count: 1 };
  if (decision.effect === "allow") return { decision, decidedOn, scopes };

  const { approval } = decision;
  const message = denialText(made, { isDelegated: terms.delegated !== undefined });
  if (approval !== undefined && request.acceptPending === true) {
    const denied = { ...decision, message: refusalText(message), caller: refusedCaller(caller) };
    return { decision: denied, decidedOn, scopes, heldBackBy };
  }
  throw await recordedDenial(caller, { made, decision, message }, ports);
}

/**
 * A grant counts in its own run, and in those that it was delegated from: what is read here flows back there. Where the
 * configuration says so, it counts in all runs of whom the step works for.
 */
function scopesOf(runId: string, { parent, principal }: Terms, ratchet: Ratchet): readonly FactScope[] {
  return [
    ...new Set<FactScope>([
      `run:${runId}`,
      ...(parent === undefined ? [] : factScopesOf(parent)),
      ...(principal === undefined || ratchet === "run" ? [] : ([`principal:${principal.principalId}`] as const)),
    ]),
  ];
}

/** Runs `act`, a part of an opening. A refusal of authority that it throws is recorded as a decision. */
export function recordingDenials<T>(
  caller: Attested,
  { agent, runId, step, grant: requested }: OpenRequest,
  ports: Pick<DecideOpeningPorts, "denials" | "clock" | "random">,
  act: () => Promise<T>,
): Promise<T> {
  return recordingRefusals(caller, () => ({ act: "open", agent, runId, step, requested }), ports, act);
}
