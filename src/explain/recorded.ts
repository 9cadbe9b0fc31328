import { putTo, requestOf, standsForSeveral } from "../decide/recorded-request.ts";
import type { Decision } from "../domain/decision.ts";
import { BrokerError, invalidField } from "../domain/errors.ts";
import { asksForBudget, type Grant, grantLeft } from "../domain/grant.ts";
import type { RecordedPolicySet } from "../domain/policy-set.ts";
import type { KnownPrincipal } from "../domain/principal.ts";
import type { Step } from "../domain/step.ts";
import type { EntryDirectory } from "../ports/directories.ts";
import type { HistoryReads, PolicyReads, RegistryReads, StepReads } from "../ports/ledger-reads.ts";
import { POLICY_ACTS, type PolicyRequest } from "../ports/policy-engine.ts";
import type { PrincipalVault } from "../ports/principal-vault.ts";

export type RecordedPorts = {
  readonly history: Pick<HistoryReads, "decisions" | "steps">;
  readonly steps: Pick<StepReads, "step" | "opening" | "callsCounted">;
  readonly policies: Pick<PolicyReads, "policySet">;
  readonly registryReads: Pick<RegistryReads, "principal">;
  readonly principals: Pick<PrincipalVault, "open">;
  readonly entries: Pick<EntryDirectory, "byName">;
};

/** A decision with all that the ledger has of what it was made on. */
export type Recorded = {
  readonly decision: Decision & { readonly sequence: number };
  readonly set?: RecordedPolicySet;
  readonly principal?: KnownPrincipal;
  /** Absent where no policy was asked, or where what it was asked can't be told any more. */
  readonly request?: PolicyRequest;
  readonly parent?: Step;
  /** What the parent's grant, with the calls that are left of it, limits the request to; absent without a parent, or where a token passed on a part of it only. */
  readonly parentLimit?: Grant;
  /** The agent's ceiling; absent where the entry has changed since. */
  readonly ceiling?: Grant;
  /** Why the request can't be put to the policies again. */
  readonly notAsked?: string;
};

/** @throws BrokerError INVALID_FIELD `decision_id`, STEP_NOT_FOUND where no decision has this id, LEDGER_UNAVAILABLE */
export async function recordedDecision(decisionId: string, ports: RecordedPorts): Promise<Recorded> {
  if (decisionId === "") throw invalidField("decision_id", "the id of a decision");
  const [decision] = await ports.history.decisions({ decisionId, limit: 1 });
  if (decision === undefined) {
    throw new BrokerError(
      "STEP_NOT_FOUND",
      "no decision has this id; one that counts several denials is recorded when their minute is over",
    );
  }
  const set = await setOf(decision, ports);
  const principal = await principalOf(decision, ports);
  const request =
    set === undefined || set.policies.length === 0 ? undefined : requestOf(decision, undefined, principal);
  const parent = await parentOf(decision, ports);
  const ceiling = ceilingOf(decision, ports);
  return {
    decision,
    ...(set === undefined ? {} : { set }),
    ...(principal === undefined ? {} : { principal }),
    ...(request === undefined || set === undefined
      ? { notAsked: whyNotAsked(decision, set) }
      : { request: putTo(set.dataClasses, request) }),
    ...(parent === undefined ? {} : { parent }),
    ...(parent === undefined || isDelegatedByToken(decision) ? {} : { parentLimit: await leftOf(parent, ports) }),
    ...(ceiling === undefined ? {} : { ceiling }),
  };
}

/** No more is left of the parent's calls now than there was then, so what passes now would have passed. */
async function leftOf({ stepId, grant }: Step, { steps }: RecordedPorts): Promise<Grant> {
  return asksForBudget(grant) ? grantLeft(grant, await steps.callsCounted(stepId)) : grant;
}

async function setOf({ situation }: Decision, { policies }: RecordedPorts): Promise<RecordedPolicySet | undefined> {
  return situation === undefined ? undefined : policies.policySet(situation.policyVersion);
}

/** Of a step that was opened, as they were known then; else as their newest step has them. */
async function principalOf(
  { situation, stepId }: Decision,
  { steps, registryReads, principals }: RecordedPorts,
): Promise<KnownPrincipal | undefined> {
  if (situation?.principalId === undefined) return undefined;
  const step = stepId === undefined ? undefined : await steps.step(stepId);
  const { principalId } = situation;
  const sealed = step?.principal?.sealed ?? (await registryReads.principal(principalId))?.sealed;
  return sealed === undefined ? undefined : principals.open({ principalId, sealed });
}

async function parentOf({ situation }: Decision, { history }: RecordedPorts): Promise<Step | undefined> {
  if (situation?.parent === undefined) return undefined;
  const { runId, step, attempt } = situation.parent.name;
  // Attempts of a step are told apart by their number alone, and a number comes once.
  const rows = await history.steps({ runId, step, limit: ATTEMPTS_LOOKED_AT });
  return rows.find((one) => one.attempt === attempt);
}

/** The token's cap is not in the ledger. */
function isDelegatedByToken({ determiningPolicies }: Decision): boolean {
  return determiningPolicies.some((policy) => policy.startsWith("delegation:"));
}

/** Newest first, and a parent is open while its child is decided on. */
const ATTEMPTS_LOOKED_AT = 500;

/** `ceiling:entry_…@7` names the revision that was looked at. */
function ceilingOf({ agent, determiningPolicies }: Decision, { entries }: RecordedPorts): Grant | undefined {
  const entry = agent === undefined ? undefined : entries.byName("agent", agent);
  if (entry === undefined) return undefined;
  return determiningPolicies.includes(`ceiling:${entry.entryId}@${entry.revision}`) ? entry.content.ceiling : undefined;
}

function whyNotAsked(decision: Decision, set: RecordedPolicySet | undefined): string {
  const { act, situation } = decision;
  if (!POLICY_ACTS.some((one) => one === act)) return `policies are not asked to ${act}`;
  if (situation === undefined) return "no policy was asked, or this was not recorded then";
  if (set === undefined) return "the ledger does not have the set of policies";
  // One that permits everything or nothing, or stands beside an engine elsewhere that decides alone.
  if (set.policies.length === 0) return "the set holds no policies: what decided is not in the ledger";
  if (standsForSeveral(decision)) return `it stands for ${decision.count} denials of different requests`;
  if (situation.principalId !== undefined) return "whom it was for is not known any more";
  return "it stands for denials that have not all the same name of a step";
}
