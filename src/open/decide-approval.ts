import { type DecidePorts, decide } from "../decide/decide.ts";
import { knownPrincipal } from "../decide/known-principal.ts";
import type { DenialRecorder } from "../decide/record-denial.ts";
import type { DecidedOn, Decision } from "../domain/decision.ts";
import { ID_RANDOM_BYTES, newId } from "../domain/ids.ts";
import { factScopesOf } from "../domain/run-facts.ts";
import type { Attested } from "../domain/stages.ts";
import { permits } from "../domain/step.ts";
import { nameRefused } from "../issue/asked-grant.ts";
import type { StepReads } from "../ports/ledger-reads.ts";
import type { PrincipalVault } from "../ports/principal-vault.ts";
import type { Randomness } from "../ports/randomness.ts";
import type { ApprovalTerms } from "./approval-terms.ts";
import { recordedDenial } from "./recorded-denial.ts";

export type DecideApprovalPorts = DecidePorts & {
  readonly steps: Pick<StepReads, "opening" | "standingAttempts">;
  readonly principals: Pick<PrincipalVault, "open">;
  readonly denials: DenialRecorder;
  readonly random: Randomness;
};

/** A decision that allows what was approved, with all that the ledger has to check once more. */
export type DecidedApproval = { readonly decision: Decision; readonly decidedOn: DecidedOn };

/**
 * Decides on a request again, as it was made and as the world is now. All of the request passes, or nothing: approved
 * was what was asked for.
 *
 * @throws BrokerError POLICY_DENIED or DELEGATION_REFUSED, with the id of the recorded decision; and as `decide` does
 */
export async function decideApproval(
  caller: Attested,
  { step, agent, opener, parent }: ApprovalTerms,
  ports: DecideApprovalPorts,
): Promise<DecidedApproval> {
  const { runId, step: name, attempt, stepId, approval } = step;
  const asked = await ports.steps.opening(step.decisionId);
  const attempts = await ports.steps.standingAttempts(runId, name);
  const made = await decide(
    {
      opener,
      entry: agent,
      name: { runId, step: name, attempt },
      requested: step.grant,
      parent,
      // The token's cap was applied to the request when it was made, and neither of the two has changed since.
      delegated: step.delegationJti === undefined ? undefined : { jti: step.delegationJti, cap: step.grant },
      allowPartial: false,
      workflow: step.workflow,
      principal: await knownPrincipal(step, ports.principals),
      selectors: new Set(asked?.selectors ?? []),
      scopes: factScopesOf(step),
      replaces: attempts.find(({ state }) => permits(state))?.stepId,
      approved: approval,
    },
    ports,
  );
  const { decision: decided, decidedOn } = made;
  const now = ports.clock.now();
  const decisionId = newId("decision", now, ports.random.bytes(ID_RANDOM_BYTES));
  const decision: Decision = { ...decided, decisionId, decidedAt: now, stepId, count: 1 };
  if (decision.effect === "allow") return { decision, decidedOn };

  const message = `not permitted now, although approved: ${nameRefused(decision.refused)}`;
  throw await recordedDenial(caller, { made, decision, message }, ports);
}
