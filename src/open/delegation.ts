import { type DelegationToken, delegationRefusal, FOR_ANOTHER } from "../domain/delegation.ts";
import { BrokerError, errorOf } from "../domain/errors.ts";
import type { Grant } from "../domain/grant.ts";
import { isOfKind, type RegistrationEntry } from "../domain/registration-entry.ts";
import type { TrustDomain } from "../domain/spiffe-id.ts";
import type { Attested } from "../domain/stages.ts";
import { permits, type Step } from "../domain/step.ts";
import { secondsOf } from "../domain/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { CredentialReads } from "../ports/credential-reads.ts";
import type { StepDirectory } from "../ports/directories.ts";
import type { IssuanceRow } from "../ports/ledger-reads.ts";
import { signedDigest } from "../verify/compact-jws.ts";
import { type VerifiedDelegationToken, verifyDelegationToken } from "../verify/delegation-token.ts";
import { VerificationError } from "../verify/verification-error.ts";
import type { BundleSet } from "../verify/verification-keys.ts";

export type DelegationPorts = {
  readonly stepDirectory: Pick<StepDirectory, "byId">;
  readonly credentials: Pick<CredentialReads, "issuance">;
  readonly trustDomain: TrustDomain;
  /** The keys of this broker's own trust domain alone, as they are now. */
  readonly ownKeys: () => BundleSet;
  readonly clock: Pick<Clock, "now">;
};

/** What a delegation token lets its presenter do. */
export type Delegated = {
  readonly jti: string;
  /** The most that the child may be granted. */
  readonly cap: Grant;
  /** The caller's entry that the token is for. */
  readonly runtime: RegistrationEntry;
};

/**
 * The open step that a delegation token is of, for the runtime that the token names. Whoever else presents the token is
 * told no more than that, whatever became of token and step.
 *
 * @throws BrokerError DELEGATION_REFUSED
 */
export async function delegatedParent(
  token: string,
  caller: Attested,
  ports: DelegationPorts,
): Promise<{ readonly step: Step; readonly delegated: Delegated }> {
  const now = ports.clock.now();
  const { jti, stepId, mayAct, cap } = verified(token, ports);
  const runtime = caller.entries.find((entry) => isOfKind(entry, "runtime") && entry.spiffeId === mayAct);
  if (runtime === undefined) throw new BrokerError("DELEGATION_REFUSED", FOR_ANOTHER);
  const step = openParent(await ports.stepDirectory.byId(stepId));
  const recorded = recordedAs(token, await ports.credentials.issuance({ jti }));
  const refused = delegationRefusal(recorded, { parentStepId: stepId, openerEntryId: runtime.entryId }, now);
  if (refused !== undefined) throw errorOf(refused);
  return { step, delegated: { jti, cap, runtime } };
}

/** @throws BrokerError DELEGATION_REFUSED for a step that there is not, or that is not open */
export function openParent(step: Step | undefined): Step {
  if (step === undefined) {
    throw new BrokerError("DELEGATION_REFUSED", "the parent step is not the caller's to delegate from");
  }
  if (permits(step.state)) return step;
  throw new BrokerError("DELEGATION_REFUSED", `the parent step is ${step.state}`, { metadata: { state: step.state } });
}

function verified(token: string, { ownKeys, trustDomain, clock }: DelegationPorts): VerifiedDelegationToken {
  try {
    return verifyDelegationToken(token, { bundles: ownKeys(), trustDomain, now: secondsOf(clock.now()) });
  } catch (thrown) {
    if (!(thrown instanceof VerificationError)) throw thrown;
    const message =
      thrown.code === "EXPIRED"
        ? "the delegation token has expired"
        : `parent_token is no delegation token of this broker (${thrown.code})`;
    throw new BrokerError("DELEGATION_REFUSED", message, { metadata: { verification: thrown.code } });
  }
}

/** What the ledger knows of the very token that was presented; `undefined` for a token that it did not record. */
function recordedAs(token: string, issuance: IssuanceRow | undefined): DelegationToken | undefined {
  if (issuance?.delegation === undefined || issuance.subject.kind !== "step") return undefined;
  if (signedDigest(token) !== issuance.toBeSignedSha256) return undefined;
  const { subject, delegation, uses = 0, undelivered, revokedAt, expiresAt } = issuance;
  return {
    ...delegation,
    stepId: subject.stepId,
    expiresAt,
    uses,
    isTakenBack: undelivered || revokedAt !== undefined,
  };
}
