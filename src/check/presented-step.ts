import { isRecordedAs, verifyPresented } from "../audit/presented-token.ts";
import { BrokerError, errorOf } from "../domain/errors.ts";
import type { Grant } from "../domain/grant.ts";
import { isClosed, permits, type Step } from "../domain/step.ts";
import { secondsOf, type UnixSeconds } from "../domain/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { CredentialReads } from "../ports/credential-reads.ts";
import type { IssuanceGate } from "../ports/directories.ts";
import type { IssuanceRow, StepReads } from "../ports/ledger-reads.ts";
import { verifyTxnToken } from "../verify/txn-token.ts";
import { VerificationError } from "../verify/verification-error.ts";
import type { BundleSet } from "../verify/verification-keys.ts";
import { verifyWitSvid } from "../verify/wit-svid.ts";
import type { CallRequest } from "./call-request.ts";

declare const stage: unique symbol;

/** An open step, by a credential of this broker that holds at the location. */
export type Presented = {
  readonly [stage]: "presented";
  readonly step: Step;
  /** What the credential grants there. */
  readonly grant: Grant;
  /** Of the credential that carries the grant. */
  readonly issuanceId: string;
  readonly jti: string;
  /** Of all credentials that were presented together. */
  readonly issuanceIds: readonly string[];
};

export type PresentedPorts = {
  readonly credentials: Pick<CredentialReads, "issuance">;
  readonly steps: Pick<StepReads, "step">;
  /** The keys of this broker's own trust domain alone, as they are now. */
  readonly bundles: () => BundleSet;
  readonly gate: IssuanceGate;
  readonly clock: Clock;
};

/** A credential as it was verified, and what is recorded of it. */
type Recorded = { readonly grant: Grant; readonly issuance: IssuanceRow };

/**
 * Whose the presented credential is, if it holds. What was read here may be a commit behind; the act that records the
 * call has the last word.
 *
 * @throws BrokerError NO_IDENTITY for a credential that does not hold, AUDIENCE_INVALID for another server's, STEP_CLOSED;
 *   NOT_SERVING while the ledger may not know of all that was revoked
 */
export async function presentedStep(
  { credential, subject, location }: CallRequest,
  ports: PresentedPorts,
): Promise<Presented> {
  const suspended = ports.gate.refusal();
  if (suspended !== undefined) throw errorOf(suspended);
  const now = secondsOf(ports.clock.now());
  const terms = { audiences: [location], bundles: ports.bundles(), now };
  const all =
    credential.kind === "jwt-svid"
      ? [
          await recorded(
            credential.token,
            verifying(() => verifyPresented(credential.token, terms)),
            ports,
          ),
        ]
      : await recordedTogether(credential, terms, ports);
  const [carrier] = all;
  if (carrier === undefined) throw doesNotHold();
  for (const { issuance } of all) checkLive(issuance);
  const { issuance, grant } = carrier;
  const step = issuance.subject.kind === "step" ? await ports.steps.step(issuance.subject.stepId) : undefined;
  if (step === undefined || issuance.jti === undefined) throw doesNotHold();
  if (subject !== undefined && subject !== step.spiffeId) {
    throw new BrokerError("NO_IDENTITY", "the credential is not the subject's");
  }
  return {
    step,
    grant,
    issuanceId: issuance.issuanceId,
    jti: issuance.jti,
    issuanceIds: all.map((one) => one.issuance.issuanceId),
  } as Omit<Presented, typeof stage> as Presented;
}

type Terms = { readonly audiences: readonly string[]; readonly bundles: BundleSet; readonly now: UnixSeconds };

/** The transaction token, which carries the grant, and the WIT-SVID by which its presenter shows who they are. */
async function recordedTogether(
  { witSvid, txnToken }: Extract<CallRequest["credential"], { kind: "wit-svid" }>,
  terms: Terms,
  ports: PresentedPorts,
): Promise<readonly Recorded[]> {
  const { wit, txn } = verifying(() => ({
    wit: verifyWitSvid(witSvid, { ...terms, development: true }),
    txn: verifyTxnToken(txnToken, { ...terms, development: true }),
  }));
  if (wit.spiffeId !== txn.spiffeId) {
    throw new BrokerError("NO_IDENTITY", "the WIT-SVID and the transaction token are of different steps");
  }
  return [await recorded(txnToken, txn, ports), await recorded(witSvid, { jti: wit.jti, grant: [] }, ports)];
}

async function recorded(
  token: string,
  { jti, grant }: { readonly jti?: string | undefined; readonly grant: Grant },
  { credentials }: PresentedPorts,
): Promise<Recorded> {
  const issuance = jti === undefined ? undefined : await credentials.issuance({ jti });
  if (issuance === undefined || !isRecordedAs(token, issuance)) throw doesNotHold();
  return { grant, issuance };
}

function checkLive({ undelivered, revokedAt, step }: IssuanceRow): void {
  if (step !== undefined && !permits(step.state)) {
    const message = isClosed(step.state) ? `the step is ${step.state}` : "the step is not open yet";
    throw new BrokerError("STEP_CLOSED", message, { metadata: { state: step.state } });
  }
  if (undelivered || revokedAt !== undefined) throw new BrokerError("NO_IDENTITY", "the credential was taken back");
}

function verifying<Value>(verify: () => Value): Value {
  try {
    return verify();
  } catch (thrown) {
    if (!(thrown instanceof VerificationError)) throw thrown;
    const code = thrown.code === "AUDIENCE_MISMATCH" ? "AUDIENCE_INVALID" : "NO_IDENTITY";
    throw new BrokerError(code, thrown.message);
  }
}

function doesNotHold(): BrokerError {
  return new BrokerError("NO_IDENTITY", "no credential of this broker");
}
